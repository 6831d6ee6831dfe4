#! class: host-read
#! attack: read host files through file: URLs
#! validator: accepts
#! expect stdout: WALLED
import urllib.request

import pandas as pd
import requests

fallen = False
for path in ("/tmp/python-sandbox-canary", "/etc/shadow", "/proc/1/environ", "/root/.ssh/id_rsa"):
    for reader, read in {
        "urllib": lambda url: urllib.request.urlopen(url, timeout=3).read(),
        "urlretrieve": lambda url: open(urllib.request.urlretrieve(url)[0], "rb").read(),
        "pandas": lambda url: pd.read_table(url).to_string(),
        "requests": lambda url: requests.get(url, timeout=3).content,
    }.items():
        try:
            data = read("file://" + path)
        except Exception:
            continue
        if data:
            fallen = True
            print("BREACH", reader, path)
print("FALLEN" if fallen else "WALLED")
