#! class: neighbour
#! attack: look for processes of others: in /proc, and by asking for every number
#! validator: rejects
#! timeout: 20
#! expect stdout: WALLED
import os

me = os.getpid()
fallen = False
listed = {int(name) for name in os.listdir("/proc") if name.isdigit()}
# The agent is the first process; there may be one more between it and the program.
if len(listed - {me}) > 2:
    fallen = True
    print("BREACH sees", sorted(listed))
answers = []
for pid in range(1, 70000):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        continue
    except PermissionError:
        answers.append(pid)
        continue
    if pid != me:
        fallen = True
        print("BREACH may signal", pid)
if len(answers) > 2:
    fallen = True
    print("BREACH knows of", answers[:20])
for pid in answers:
    for name, ask in {"session": os.getsid, "group": os.getpgid}.items():
        try:
            if ask(pid) in (os.getsid(0), os.getpgrp()) and pid != me:
                fallen = True
                print("BREACH shares its", name, "with", pid)
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
