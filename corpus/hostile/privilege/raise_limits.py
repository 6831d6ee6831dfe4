#! class: privilege
#! attack: raise the resource limits and the priority that were set from outside
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import os
import resource

fallen = False


def attempt(what, action):
    global fallen
    try:
        action()
    except (OSError, ValueError):
        return
    fallen = True
    print("BREACH", what)


for name in [n for n in dir(resource) if n.startswith("RLIMIT_")]:
    kind = getattr(resource, name)
    try:
        soft, hard = resource.getrlimit(kind)
    except (OSError, ValueError):
        continue
    # That of core dumps is said to be set, and stays: see below.
    if hard != resource.RLIM_INFINITY and kind != resource.RLIMIT_CORE:
        attempt(f"{name} raised over {hard}", lambda: resource.setrlimit(kind, (hard + 1, hard + 1)))
        attempt(f"{name} unlimited", lambda: resource.setrlimit(kind, (resource.RLIM_INFINITY, resource.RLIM_INFINITY)))
    attempt(f"{name} of the first process", lambda: resource.prlimit(1, kind, (0, 0)))
# 1 byte holds no dump, and tells the kernel to start no handler of dumps either.
for limit in (0, 1 << 30, resource.RLIM_INFINITY):
    try:
        resource.setrlimit(resource.RLIMIT_CORE, (limit, limit))
    except (OSError, ValueError):
        pass
if not 0 <= resource.getrlimit(resource.RLIMIT_CORE)[0] <= 1:
    fallen = True
    print("BREACH core files are written")
attempt("nice", lambda: os.nice(-10))
attempt("priority", lambda: os.setpriority(os.PRIO_PROCESS, 0, -20))
attempt("priority of the first process", lambda: os.setpriority(os.PRIO_PROCESS, 1, 19))
attempt("real time", lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)))
attempt("round robin", lambda: os.sched_setscheduler(0, os.SCHED_RR, os.sched_param(1)))
attempt("affinity of the first process", lambda: os.sched_setaffinity(1, {0}))
print("FALLEN" if fallen else "WALLED")
