#! class: kernel
#! attack: how the first process is scheduled, and what all threads of the host have in common
#! validator: rejects
#! executors: native, docker, kata
#! expect stdout: WALLED
import ctypes
import errno
import os

libc = ctypes.CDLL(None, use_errno=True)
fallen = False


def refused(what, wanted, attempt):
    global fallen
    try:
        found = attempt()
    except OSError as error:
        if error.errno in wanted:
            return
        found = error
    fallen = True
    print("BREACH", what, found)


def call(number, *arguments):
    result = libc.syscall(ctypes.c_long(number), *arguments)
    if result < 0:
        raise OSError(ctypes.get_errno(), number)
    return result


refused("affinity", [errno.ESRCH], lambda: os.sched_getaffinity(1))
refused("class", [errno.ESRCH], lambda: os.sched_getscheduler(1))
refused("parameters", [errno.ESRCH], lambda: os.sched_getparam(1))
refused("interval", [errno.ESRCH], lambda: os.sched_rr_get_interval(1))
refused("priority", [errno.ESRCH], lambda: os.getpriority(os.PRIO_PROCESS, 1))
# Walks through every thread of the host.
refused("priority of a user", [errno.EPERM], lambda: os.getpriority(os.PRIO_USER, 0))
if os.uname().machine == "x86_64":
    refused("priority of its input and output", [errno.ESRCH], lambda: call(252, 1, 1))
    refused("that of a user", [errno.EPERM], lambda: call(252, 3, 0))
    refused("a signal with a forged sender", [errno.EPERM], lambda: call(129, os.getpid(), 0, ctypes.create_string_buffer(128)))
# Itself, it may look at.
os.sched_getaffinity(0), os.sched_getscheduler(os.getpid()), os.getpriority(os.PRIO_PROCESS, 0)
print("FALLEN" if fallen else "WALLED")
