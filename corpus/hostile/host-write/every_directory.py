#! class: host-write
#! attack: create a file in every directory and open every file for writing
#! validator: rejects
#! timeout: 30
#! expect stdout: WALLED
import os
import time

deadline = time.monotonic() + 22
fallen = 0


def breach(what):
    global fallen
    fallen += 1
    if fallen < 20:
        print("BREACH", ascii(what))


def own(path):
    return path == "/tmp" or path.startswith("/tmp/") or path.startswith("/dev/shm")


for root, folders, files in os.walk("/", onerror=lambda error: None):
    if root == "/":
        folders[:] = [f for f in folders if f != "proc"]
    if own(root):
        folders[:] = []
        continue
    if time.monotonic() > deadline:
        break
    probe = os.path.join(root, "sandbox-probe")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o600))
        os.unlink(probe)
        breach("created " + probe)
    except OSError:
        pass
    try:
        os.mkdir(probe)
        os.rmdir(probe)
        breach("made the directory " + probe)
    except OSError:
        pass
    if root.startswith("/dev"):
        continue
    for name in files:
        path = os.path.join(root, name)
        try:
            os.close(os.open(path, os.O_WRONLY | os.O_NONBLOCK | os.O_NOFOLLOW))
            breach("opened for writing " + path)
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
