# requests without a network: building, encoding and parsing must work.
import requests
from requests.structures import CaseInsensitiveDict

request = requests.Request("GET", "https://example.org/search", params={"q": "a b", "n": 2}, headers={"X-A": "1"}).prepare()
print(request.method, request.url, request.headers["x-a"])
post = requests.Request("POST", "https://example.org/", json={"k": [1, 2]}).prepare()
print(post.body, post.headers["Content-Type"])
response = requests.Response()
response.status_code = 404
response._content = b'{"error": "none"}'
print(response.json(), response.ok)
try:
    response.raise_for_status()
except requests.HTTPError as error:
    print("404" in str(error))
try:
    requests.get("http://192.0.2.1/", timeout=3)
except requests.RequestException as error:
    print("no network:", isinstance(error, requests.ConnectionError))
