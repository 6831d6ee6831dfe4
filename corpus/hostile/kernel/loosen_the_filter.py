#! class: kernel
#! attack: add filters of one's own, ask for strict mode, read the filter back, skip it by listening
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

PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, PR_GET_SECCOMP = 22, 38, 21
SECCOMP = (317, 277)


class Program(ctypes.Structure):
    _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_void_p)]


# One instruction: return SECCOMP_RET_ALLOW.
allow = (ctypes.c_uint8 * 8)(0x06, 0, 0, 0, 0x00, 0x00, 0xFF, 0x7F)
program = Program(1, ctypes.addressof(allow))
if MACHINE is not None:
    call(SECCOMP[MACHINE], 1, 0, ctypes.addressof(program))  # SECCOMP_SET_MODE_FILTER
    call(SECCOMP[MACHINE], 1, 1, ctypes.addressof(program))  # to all threads
    if call(SECCOMP[MACHINE], 1, 8, ctypes.addressof(program)) >= 3:  # a listener, that could answer in the filter's place
        print("a listener was made")
        fallen = True
    libc.prctl(PR_SET_SECCOMP, 2, ctypes.byref(program))
    if libc.prctl(PR_SET_SECCOMP, 0, 0) == 0:
        fallen = True
        print("BREACH seccomp switched off")
    if call((101, 117)[MACHINE], 0x420C, os.getpid(), 0, 0) >= 0:  # PTRACE_SECCOMP_GET_FILTER
        fallen = True
        print("BREACH filter read")
    # Whatever was accepted: what was refused before must be refused still.
    if call((165, 40)[MACHINE], b"none", b"/tmp", b"tmpfs", 0, 0) == 0 or call((272, 97)[MACHINE], 0x10000000) == 0:
        fallen = True
        print("BREACH the filter is looser now")
    for line in open("/proc/self/status"):
        if line.startswith("Seccomp:") and line.split()[1] != "2":
            fallen = True
            print("BREACH", line.strip())
print("FALLEN" if fallen else "WALLED")
