#! class: neighbour
#! attack: send every signal to the first process, to every process that can be seen, and to all at once
#! validator: rejects
#! expect stdout: WALLED
import os
import signal

fallen = False
me = os.getpid()
# To all at once: the kernel leaves out the sender and the first process. Who may not be signalled must survive it.
try:
    os.kill(-1, signal.SIGKILL)
except OSError:
    pass
for pid in sorted({1} | {int(p) for p in os.listdir("/proc") if p.isdigit()}):
    if pid == me:
        continue
    for number in range(65):
        try:
            os.kill(pid, number)
        except OSError:
            continue
        fallen = True
        print("BREACH signal", number, "to", pid)
        break
for group in (1, os.getsid(0) if os.getsid(0) != me else 1):
    try:
        os.killpg(group, 0)
        if group != os.getpgrp():
            fallen = True
            print("BREACH process group", group)
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
