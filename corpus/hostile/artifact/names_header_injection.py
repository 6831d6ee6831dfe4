#! class: artifact
#! attack: file names that break out of a Content-Disposition header, a URL, a log line or an HTML page
#! validator: accepts
#! expect artifacts: any
#! expect listed: x.txt\r\nSet-Cookie: stolen=1\r\n\r\n<script>.txt
#! expect listed: quote\u0022; filename=\u0022evil.exe
#! expect listed: back\\slash.txt
#! expect listed: %0d%0aX-Injected: 1.txt
#! expect listed: percent%2e%2e%2fup.txt
#! expect listed: question?mark#hash&and=equals.txt
#! expect listed: <img src=x onerror=alert(1)>.html
#! expect stdout: done
from pathlib import Path

names = [
    "x.txt\r\nSet-Cookie: stolen=1\r\n\r\n<script>.txt",
    'quote"; filename="evil.exe',
    "back\\slash.txt",
    "%0d%0aX-Injected: 1.txt",
    "percent%2e%2e%2fup.txt",
    "question?mark#hash&and=equals.txt",
    "<img src=x onerror=alert(1)>.html",
]
for name in names:
    Path(name).write_text("content\n")
print("done")
