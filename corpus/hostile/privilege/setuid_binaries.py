#! class: privilege
#! attack: find a program with a setuid bit or file capabilities and run it, or make one
#! validator: rejects
#! timeout: 20
#! expect stdout: WALLED
import os
import stat
import subprocess
import time

fallen = False
deadline = time.monotonic() + 12
found = []
for root, folders, files in os.walk("/", onerror=lambda error: None):
    if root == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys", "tmp")]
    if time.monotonic() > deadline:
        break
    for name in files:
        path = os.path.join(root, name)
        try:
            info = os.lstat(path)
            if not stat.S_ISREG(info.st_mode):
                continue
            if info.st_mode & (stat.S_ISUID | stat.S_ISGID) and info.st_mode & 0o111:
                found.append(path)
            elif info.st_mode & 0o111 and "/bin" in root and os.getxattr(path, "security.capability"):
                found.append(path)
        except OSError:
            pass
# One that is there is no breach by itself (an image may hold them) as long as it gives nothing.
for path in found[:20]:
    name = os.path.basename(path)
    command = {"su": ["-c", "id"], "mount": ["-t", "tmpfs", "none", "/tmp"], "umount": ["/tmp"]}.get(name)
    if command:
        try:
            if subprocess.run([path, *command], capture_output=True, stdin=subprocess.DEVNULL, timeout=2).returncode == 0:
                fallen = True
                print("BREACH", path)
        except (OSError, subprocess.SubprocessError):
            pass
with open("/tmp/made", "w") as handle:
    handle.write("#!/bin/sh\nid\n")
for what, action in {
    "chown to root": lambda: os.chown("/tmp/made", 0, 0),
    "chown to another": lambda: os.chown("/tmp/made", os.getuid() + 1, -1),
    "file capability": lambda: os.setxattr("/tmp/made", "security.capability", bytes.fromhex("0100000200002000000000000000000000000000")),
    "trusted attribute": lambda: os.setxattr("/tmp/made", "trusted.mark", b"1"),
}.items():
    try:
        action()
    except OSError:
        continue
    fallen = True
    print("BREACH", what)
print("FALLEN" if fallen else "WALLED")
