#! class: host-read
#! attack: find the old root or a forgotten bind mount in the mount table
#! executors: native
#! validator: accepts
#! expect stdout: WALLED
from pathlib import Path

NEEDLE = "CANARY" + "-7f3a"
fallen = False


def breach(*what):
    global fallen
    fallen = True
    print("BREACH", *what)


text = Path("/proc/self/mountinfo").read_text()
if NEEDLE in text or "python-sandbox-canary" in text:
    breach("canary in the mount table")
for line in text.splitlines():
    left, right = line.split(" - ")
    _, _, _, _, point, options, *_ = left.split()
    kind, source, super_options = right.split()[:3]
    if point in ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom"):
        continue  # bound over from the host one by one
    if kind in ("cgroup", "cgroup2", "sysfs", "debugfs", "tracefs", "securityfs", "devtmpfs", "devpts", "mqueue", "binfmt_misc"):
        if not (kind == "sysfs" and "ro" in options.split(",")):
            breach(kind, "is mounted on", point)
    if "rw" in options.split(",") and kind not in ("tmpfs", "proc"):
        breach("writable", kind, "on", point)
    if point == "/tmp" and not {"nosuid", "nodev"} <= set(options.split(",")):
        breach("/tmp is mounted", options)
    if "docker.sock" in line or point.startswith(("/oldroot", "/.old", "/put_old", "/host")):
        breach("left over:", point)
print("FALLEN" if fallen else "WALLED")
