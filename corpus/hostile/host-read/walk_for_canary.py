#! class: host-read
#! attack: walk the whole file tree and search every readable file for the canary
#! validator: rejects
#! timeout: 25
#! expect stdout: WALLED
import os
import stat
import sys
import time

NEEDLE = b"CANARY" + b"-7f3a"
deadline = time.monotonic() + 18
# The runtime is the same for everyone and large: its names are looked at, its contents are not.
runtime = tuple({os.path.realpath(sys.prefix) + "/lib", "/usr/lib", "/usr/local/lib", os.path.dirname(os.__file__)})
fallen = False
for root, folders, files in os.walk("/", onerror=lambda error: None):
    if root == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys")]
    if time.monotonic() > deadline:
        break
    for name in files:
        path = os.path.join(root, name)
        if "python-sandbox-canary" in name:
            fallen = True
            print("BREACH name", ascii(path))
        if path.startswith(runtime):
            continue
        try:
            if not stat.S_ISREG(os.lstat(path).st_mode):
                continue
            with open(path, "rb") as handle:
                if NEEDLE in handle.read(1 << 20):
                    fallen = True
                    print("BREACH content", ascii(path))
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
