#! class: kernel
#! attack: trace one's own child, to make it do what the filter forbids (the filter before Linux 4.8 was skipped so)
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import errno
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
MACHINE = {"x86_64": 0, "aarch64": 1}.get(platform.machine())
fallen = False


def call(number, *arguments):
    """The result of a raw system call, negative errno on failure."""
    ctypes.set_errno(0)
    result = libc.syscall(ctypes.c_long(number), *(a if isinstance(a, (bytes, ctypes.Array)) else ctypes.c_long(a) for a in arguments))
    return -ctypes.get_errno() if result == -1 else result
import os
import signal

if MACHINE is not None:
    child = os.fork()
    if child == 0:
        result = call((101, 117)[MACHINE], 0, 0, 0, 0)  # PTRACE_TRACEME
        os._exit(0 if result == -errno.EPERM else 1)
    _, status = os.waitpid(child, 0)
    if os.WEXITSTATUS(status):
        fallen = True
        print("BREACH a child can be traced")
    child = os.fork()
    if child == 0:
        signal.pause()
    for request in (16, 0x4206):
        if call((101, 117)[MACHINE], request, child, 0, 0) == 0:
            fallen = True
            print("BREACH attached to a child", request)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
print("FALLEN" if fallen else "WALLED")
