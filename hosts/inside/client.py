"""Client of hosts/inside/front: client.py work|refused|renewed PORT STORE_PORT, with the trusted certificate in CA and the API key in KEY."""

import json
import os
import ssl
import sys
import time
import urllib.error
import urllib.request

command, port, store_port = sys.argv[1:]
trusted = ssl.create_default_context(cadata=os.environ["CA"])
NAME = "Bericht für März.xlsx"
# The beginning of a workbook, and bytes that no text has.
CONTENT = b"PK\x03\x04" + bytes(range(256)) * 16


def ask(path, body=None, key=None):
    headers = {"Content-Type": "application/json", **({"Authorization": f"Bearer {key}"} if key else {})}
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"https://127.0.0.1:{port}{path}", data, headers)
    try:
        with urllib.request.urlopen(request, context=trusted, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def download(url):
    try:
        with urllib.request.urlopen(url, timeout=60) as answer:
            return answer.status, answer.read(), answer.headers["Content-Disposition"]
    except urllib.error.HTTPError as error:
        return error.code, error.read(), None


def is_trusted():
    try:
        return ask("/health")[0] == 200
    except urllib.error.URLError as error:
        assert isinstance(error.reason, ssl.SSLCertVerificationError), error
        return False


if command == "work":
    status, health = ask("/health")
    assert (status, health["status"], health["storage"]["provider"]) == (200, "healthy", "s3"), health
    program = {"code": f"open('/tmp/output/{NAME}', 'wb').write(b'PK\\x03\\x04' + bytes(range(256)) * 16)"}
    # The service looks for a first key four times a second.
    deadline = time.monotonic() + 20
    while (status := ask("/execute", {"code": ""})[0]) != 401:
        assert time.monotonic() < deadline, f"without a key: {status}"
        time.sleep(0.2)
    status, answer = ask("/execute", program, os.environ["KEY"])
    assert status == 200 and answer["success"], answer
    [artifact] = answer["artifacts"]
    link = artifact["url"]
    assert artifact["stored_in"] == "object_store", artifact
    assert link.startswith(f"http://127.0.0.1:{store_port}/files/sandbox/"), link
    status, content, disposition = download(link)
    assert (status, content) == (200, CONTENT), (status, content[:200])
    assert "attachment" in disposition and "filename*=UTF-8''Bericht%20f%C3%BCr%20M%C3%A4rz.xlsx" in disposition, disposition
    changed = link.replace("X-Amz-Expires=18000", "X-Amz-Expires=18001")
    assert changed != link and download(changed)[0] == 403, "a changed link is taken"
elif command == "refused":
    assert not is_trusted()
elif command == "renewed":
    deadline = time.monotonic() + 30
    while not is_trusted():
        assert time.monotonic() < deadline, "not within 30 s"
        time.sleep(0.5)
else:
    sys.exit(f"unknown: {command}")
