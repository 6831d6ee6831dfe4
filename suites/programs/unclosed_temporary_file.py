# NamedTemporaryFile and SpooledTemporaryFile left open
import os
import tempfile

named = tempfile.NamedTemporaryFile("w", dir=".", suffix=".tmp")
named.write("gone at the end")
kept = tempfile.NamedTemporaryFile("w", dir=".", prefix="kept", suffix=".txt", delete=False)
kept.write("stays")
kept.flush()
os.rename(kept.name, "kept.txt")
spooled = tempfile.SpooledTemporaryFile(max_size=10)
spooled.write(b"0123456789abcdef")
print(os.path.exists(named.name), spooled._rolled)
