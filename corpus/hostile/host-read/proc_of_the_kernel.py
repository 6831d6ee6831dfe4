#! class: host-read
#! attack: read the kernel's own files in /proc: memory image, log, keys, symbols, timers
#! validator: accepts
#! expect stdout: WALLED
from pathlib import Path

fallen = False
for name in ("kcore", "kmsg", "keys", "timer_list", "sched_debug", "kpagecount", "kpageflags", "kpagecgroup", "vmallocinfo", "slabinfo", "sysvipc/shm"):
    try:
        with Path("/proc", name).open("rb") as handle:
            data = handle.read(4096)
    except OSError:
        continue
    # A table of System V IPC has a heading even when it is empty.
    if len(data.splitlines()) > 1 or not data.isascii():
        fallen = True
        print("BREACH /proc/" + name)
print("FALLEN" if fallen else "WALLED")
