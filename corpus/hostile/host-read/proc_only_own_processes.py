#! class: host-read
#! attack: learn about the host and the first process through /proc: kernel settings, memory, devices, keys, other processes
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False
for name in sorted(os.listdir("/proc")):
    if name in ("self", "thread-self"):
        continue
    # Only processes, and of these only one's own: the first one is ours to shield.
    if not name.isdigit() or name == "1":
        fallen = True
        print("BREACH entry", name)
for path in ("sys/kernel/hostname", "meminfo", "cpuinfo", "kcore", "keys", "mounts/../version", "1/status", "1/maps", "sysrq-trigger"):
    try:
        with open(f"/proc/{path}", "rb") as handle:
            handle.read(16)
    except OSError:
        continue
    fallen = True
    print("BREACH", path)
print("FALLEN" if fallen else "WALLED")
