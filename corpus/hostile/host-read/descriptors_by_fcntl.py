#! class: host-read
#! attack: probe every descriptor number with fcntl, without importing os
#! validator: accepts
#! expect stdout: WALLED
import fcntl
from pathlib import Path

fallen = False
for number in range(3, 4096):
    try:
        fcntl.fcntl(number, fcntl.F_GETFD)
    except OSError:
        continue
    try:
        target = str(Path(f"/proc/self/fd/{number}").readlink())
    except OSError:
        target = "unknown"
    if target not in ("/dev/null", "/dev/urandom", "/dev/random"):
        fallen = True
        print("BREACH descriptor", number, target)
print("FALLEN" if fallen else "WALLED")
