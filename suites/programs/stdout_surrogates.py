# characters that cannot be encoded
import sys

try:
    print("bad \udc80 surrogate")
except UnicodeEncodeError as error:
    print(error)
print("bad \udc80 surrogate", file=sys.stderr)
sys.stdout.reconfigure(errors="surrogateescape")
print("as byte: \udcff")
print(ascii("\ud800"))
