#! class: host-write
#! attack: overwrite the running interpreter or the agent through /proc/self/exe (CVE-2019-5736)
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False
for path in ("/proc/self/exe", "/proc/1/exe", f"/proc/{os.getppid()}/exe", "/proc/self/root/usr/bin/python3", "/proc/self/task/self/exe"):
    for flags in (os.O_RDWR, os.O_WRONLY, os.O_RDWR | os.O_APPEND):
        try:
            os.close(os.open(path, flags))
            fallen = True
            print("BREACH", path)
        except OSError:
            pass
try:
    handle = os.open("/proc/self/exe", os.O_PATH)
    os.close(os.open(f"/proc/self/fd/{handle}", os.O_RDWR))
    fallen = True
    print("BREACH reopened for writing")
except OSError:
    pass
for line in open("/proc/self/maps"):
    span, rights, *rest = line.split()
    path = rest[-1] if len(rest) == 4 else ""
    if path.startswith("/") and not path.startswith(("/tmp/", "/dev/")):
        for target in (path, "/proc/self/map_files/" + span):
            try:
                os.close(os.open(target, os.O_RDWR))
                fallen = True
                print("BREACH", target)
            except OSError:
                pass
print("FALLEN" if fallen else "WALLED")
