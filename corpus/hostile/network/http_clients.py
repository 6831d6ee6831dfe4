#! class: network
#! attack: fetch from the service, the metadata address and the internet with requests, urllib and http.client
#! validator: accepts
#! timeout: 25
#! expect stdout: WALLED
import http.client
import urllib.request

import pandas as pd
import requests

fallen = False
for url in ("http://127.0.0.1:8000/health", "http://localhost:8000/", "http://169.254.169.254/latest/meta-data/", "http://[::1]:8000/", "http://example.org/"):
    host = url.split("/")[2]
    for client, fetch in {
        "requests": lambda: requests.get(url, timeout=1).status_code,
        "urllib": lambda: urllib.request.urlopen(url, timeout=1).status,
        "http.client": lambda: http.client.HTTPConnection(host, timeout=1).request("GET", "/"),
        "pandas": lambda: pd.read_csv(url),
    }.items():
        try:
            fetch()
        except Exception:
            continue
        fallen = True
        print("BREACH", client, url)
print("FALLEN" if fallen else "WALLED")
