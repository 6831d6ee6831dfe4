#! class: host-read
#! attack: the same search with pathlib alone, which the validator lets pass
#! validator: accepts
#! timeout: 20
#! expect stdout: WALLED
import time
from pathlib import Path

NEEDLE = b"CANARY" + b"-7f3a"
fallen = False
deadline = time.monotonic() + 8


def look(folder, depth):
    global fallen
    try:
        entries = list(folder.iterdir())
    except OSError:
        return
    for entry in entries:
        if time.monotonic() > deadline:
            return
        try:
            if entry.is_symlink():
                continue
            if entry.is_dir():
                if depth:
                    look(entry, depth - 1)
            elif entry.is_file() and NEEDLE in entry.open("rb").read(262144):
                fallen = True
                print("BREACH", ascii(str(entry)))
        except OSError:
            pass


for top in Path("/").iterdir():
    if top.name not in ("proc", "sys", "dev", "usr", "lib", "lib64", "bin", "sbin"):
        look(top, 4)
look(Path("/proc/self"), 1)
print("FALLEN" if fallen else "WALLED")
