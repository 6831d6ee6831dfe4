from email import message_from_string
from email.message import EmailMessage
from email.utils import parseaddr
from http import HTTPStatus
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, quote, unquote, urlencode, urljoin, urlparse
import ipaddress
import mimetypes

url = urlparse("https://user@example.org:8443/a/b.html?x=1&y=two%20words#frag")
print(url.hostname, url.port, url.path, parse_qs(url.query), url.fragment)
print(urlencode({"q": "straße & co", "n": 1}), quote("/ä b/"), unquote("%C3%A4"))
print(urljoin("https://example.org/a/b/c", "../d"))
message = EmailMessage()
message["Subject"] = "Grüße"
message["From"] = "Ada <ada@example.org>"
message["To"] = "grace@example.org"
message.set_content("Hello\n")
message.add_attachment(b"a,b\n1,2\n", maintype="text", subtype="csv", filename="data.csv")
print(message["Subject"], message.is_multipart(), [p.get_content_type() for p in message.walk()])
parsed = message_from_string("Subject: x\nTo: a@b.c\n\nbody\n")
print(parsed["subject"], parsed.get_payload().strip(), parseaddr(message["From"]))
print(HTTPStatus(404).phrase, SimpleCookie("a=1; b=2")["b"].value, mimetypes.guess_type("x.html")[0])
print(ipaddress.ip_address("10.1.2.3") in ipaddress.ip_network("10.0.0.0/8"), ipaddress.ip_network("10.0.0.0/30").num_addresses)
