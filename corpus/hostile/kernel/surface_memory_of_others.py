#! class: kernel
#! attack: ptrace, memory and descriptors of other processes: refused before the arguments are looked at
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


def refused(name, numbers, *arguments):
    """The filter must answer before the kernel looks at the arguments, which are wrong on purpose: EINVAL or EFAULT is a breach."""
    global fallen
    if MACHINE is None or numbers[MACHINE] is None:
        return
    result = call(numbers[MACHINE], *arguments)
    if result not in (-errno.EPERM, -errno.ENOSYS):
        fallen = True
        print("BREACH", name, errno.errorcode.get(-result, result))


import os

BAD, ME = 1, os.getpid()
refused("ptrace", (101, 117), 0x9999, ME, 0, 0)
refused("ptrace attach", (101, 117), 16, 999999, 0, 0)
refused("ptrace seize", (101, 117), 0x4206, 999999, 0, 0)
refused("process_vm_readv", (310, 270), ME, BAD, 1, BAD, 1, 0)
refused("process_vm_writev", (311, 271), ME, BAD, 1, BAD, 1, 0)
refused("pidfd_getfd", (438, 438), -1, 0, 0)
refused("process_madvise", (440, 440), -1, BAD, 1, 0, 0)
refused("process_mrelease", (448, 448), -1, 0)
refused("kcmp", (312, 272), ME, ME, -1, 0, 0)
refused("move_pages", (279, 239), 999999, 1, BAD, BAD, BAD, 0)
refused("migrate_pages", (256, 238), 999999, 1, BAD, BAD)
print("FALLEN" if fallen else "WALLED")
