# what programs make of a missing network
import urllib.error
import urllib.request

try:
    urllib.request.urlopen("http://example.org/", timeout=3)
except urllib.error.URLError as error:
    print("no network:", type(error.reason).__name__)
