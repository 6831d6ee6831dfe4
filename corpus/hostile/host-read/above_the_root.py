#! class: host-read
#! attack: climb over the root with `..`, magic links and descriptors of directories
#! validator: rejects
#! expect stdout: WALLED
import os

root = os.stat("/")
fallen = False
ups = "/".join([".."] * 40)
paths = ["/..", "/" + ups, ups, "/proc/self/root/..", "/proc/self/root/" + ups, "/proc/self/cwd/" + ups, "/proc/thread-self/root/..",
         f"/proc/self/task/{os.getpid()}/root/..", "/dev/shm/" + ups, "/proc/self/fd/../../../.."]
for path in paths:
    try:
        seen = os.stat(path)
    except OSError:
        continue
    if (seen.st_dev, seen.st_ino) != (root.st_dev, root.st_ino):
        fallen = True
        print("BREACH", path, "is another directory than the root")
handle = os.open("/", os.O_RDONLY | os.O_DIRECTORY)
for path in (ups, "..", "../.."):
    seen = os.stat(path, dir_fd=handle)
    if (seen.st_dev, seen.st_ino) != (root.st_dev, root.st_ino):
        fallen = True
        print("BREACH", path, "from a descriptor of the root")
for path in ("/../tmp/python-sandbox-canary", "/proc/self/root/../tmp/python-sandbox-canary", ups + "/tmp/python-sandbox-canary"):
    if os.path.exists(path):
        fallen = True
        print("BREACH", path)
print("FALLEN" if fallen else "WALLED")
