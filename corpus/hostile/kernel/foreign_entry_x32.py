#! class: kernel
#! attack: call through the x32 table of x86-64, whose numbers a filter may not know
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

X32 = 0x40000000
if platform.machine() == "x86_64":
    for name, number in {"getpid": 39, "mount": 165, "ptrace": 521, "unshare": 272, "socket": 41, "getuid": 102, "process_vm_readv": 539, "kexec_load": 528}.items():
        child = os.fork()
        if child == 0:
            # Wrong arguments, so that nothing but the way in is tried.
            result = call(X32 | number, 1, 1, 1, 0, 0)
            os._exit(0 if result in (-errno.EPERM, -errno.ENOSYS) else 1)
        _, status = os.waitpid(child, 0)
        # A filter may also kill for this: that is a wall too.
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            fallen = True
            print("BREACH x32", name)
print("FALLEN" if fallen else "WALLED")
