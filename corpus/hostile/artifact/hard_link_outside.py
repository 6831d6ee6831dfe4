#! class: artifact
#! attack: a hard link to a file outside of the output directory
#! validator: accepts
#! expect artifacts: good.txt
#! expect skipped: linked.txt=hard_link
#! expect stdout: WALLED
from pathlib import Path

Path("good.txt").write_text("mine\n")
Path("/tmp/outside.txt").write_text("kept elsewhere\n")
Path("linked.txt").hardlink_to("/tmp/outside.txt")
fallen = False
for number, target in enumerate(("/etc/passwd", "/etc/ld.so.cache", "/proc/1/environ", "/proc/self/exe", "/usr/lib/os-release", "/tmp/python-sandbox-canary")):
    try:
        Path(f"host{number}.txt").hardlink_to(target)
        fallen = True
        print("BREACH linked", target)
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
