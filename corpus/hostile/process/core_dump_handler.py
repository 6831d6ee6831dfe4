#! class: process
#! attack: crash children so that the host's handler of core dumps runs for them, outside of every limit
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import os
import resource
import signal

fallen = False


def breach(what):
    global fallen
    fallen = True
    print("BREACH", what)


# With 0 the kernel still starts a handler (kernel.core_pattern with a pipe); only 1 stops it (fs/coredump.c).
if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
    breach(f"the limit is {resource.getrlimit(resource.RLIMIT_CORE)}")
# It is said to work, for programs that mean well, and changes nothing.
for limit in ((0, 0), (0, 1), (1, 1), (1 << 20, 1 << 20)):
    for change in (lambda: resource.setrlimit(resource.RLIMIT_CORE, limit), lambda: resource.prlimit(0, resource.RLIMIT_CORE, limit)):
        try:
            change()
        except (OSError, ValueError):
            pass
    if resource.getrlimit(resource.RLIMIT_CORE) != (1, 1):
        breach(f"set to {resource.getrlimit(resource.RLIMIT_CORE)}")
# The other limits may still go down.
resource.setrlimit(resource.RLIMIT_NOFILE, (512, 512))

child = os.fork()
if child == 0:
    os.kill(os.getpid(), signal.SIGABRT)
    os._exit(0)
_, status = os.waitpid(child, 0)
if not os.WIFSIGNALED(status) or os.WCOREDUMP(status):
    breach("a child was dumped")
print("FALLEN" if fallen else "WALLED")
