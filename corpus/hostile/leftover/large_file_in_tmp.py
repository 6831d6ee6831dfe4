#! class: leftover
#! attack: leave forty megabytes and hundreds of files in /tmp, outside of the output
#! validator: accepts
#! expect stdout: done
from pathlib import Path

Path("/tmp/left").mkdir()
with open("/tmp/left/large.bin", "wb") as handle:
    for _ in range(40):
        handle.write(bytes(1 << 20))
for number in range(500):
    Path(f"/tmp/left/{number}").touch()
Path("/tmp/left").chmod(0)
print("done")
