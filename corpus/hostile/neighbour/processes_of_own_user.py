#! class: neighbour
#! attack: look for processes that have the same user as this one
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import os

# In a container the agent has it, too: it is shielded as first process, not by another user.
me = os.getpid()
fallen = False
for pid in {int(name) for name in os.listdir("/proc") if name.isdigit()} - {me}:
    if os.stat(f"/proc/{pid}").st_uid == os.getuid():
        fallen = True
        print("BREACH", pid, "has the same user")
print("FALLEN" if fallen else "WALLED")
