#! class: host-read
#! attack: read the mount table of the first process, which is hidden where it has another user
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import os

# In a container the agent has the program's user, and its mounts are the program's own.
fallen = False
for name in ("mountinfo", "mounts", "mountstats"):
    try:
        os.close(os.open(f"/proc/1/{name}", os.O_RDONLY))
    except OSError:
        continue
    fallen = True
    print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
