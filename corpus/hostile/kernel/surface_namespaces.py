#! class: kernel
#! attack: unshare, setns and clone with every namespace flag; clone3 must be unknown, so that the C library falls back
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
import signal

FLAGS = {"mount": 0x00020000, "cgroup": 0x02000000, "uts": 0x04000000, "ipc": 0x08000000, "pid": 0x20000000, "net": 0x40000000, "time": 0x80, "user": 0x10000000}
for name, flag in FLAGS.items():
    refused("unshare " + name, (272, 97), flag)
    for high in (0, 1 << 32, 1 << 62):
        if name == "time" or MACHINE is None:
            continue  # the bit means part of the signal number to clone
        result = call((56, 220)[MACHINE], flag | signal.SIGCHLD | high, 0, 0, 0, 0)
        if result == 0:
            os._exit(0)
        if result > 0:
            os.waitpid(result, 0)
        if result not in (-errno.EPERM, -errno.ENOSYS):
            fallen = True
            print("BREACH clone", name, hex(high), errno.errorcode.get(-result, result))
refused("unshare of everything", (272, 97), sum(FLAGS.values()))
refused("setns", (308, 268), -1, 0)
if MACHINE is not None:
    for arguments, size in (((ctypes.c_uint64 * 11)(0, 0, 0, 0, signal.SIGCHLD), 64), ((ctypes.c_uint64 * 11)(), 0), ((ctypes.c_uint64 * 11)(0x10000000), 88)):
        result = call(435, arguments, size)
        if result == 0:
            os._exit(0)
        if result != -errno.ENOSYS:
            fallen = True
            print("BREACH clone3", errno.errorcode.get(-result, result))
print("FALLEN" if fallen else "WALLED")
