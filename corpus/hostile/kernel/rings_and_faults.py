#! class: kernel
#! attack: io_uring, userfaultfd, bpf and perf for real: each has broken kernels before
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
if MACHINE is not None:
    parameters = (ctypes.c_uint8 * 120)()
    attempts = {
        "io_uring": (425, 4, parameters),
        "userfaultfd": ((323, 282)[MACHINE], 0),
        "userfaultfd in user mode": ((323, 282)[MACHINE], 1),
        "bpf map": ((321, 280)[MACHINE], 0, (ctypes.c_uint32 * 18)(1, 4, 4, 1), 72),
        "perf of itself": ((298, 241)[MACHINE], (ctypes.c_uint32 * 32)(1, 128), 0, -1, -1, 0),
        "secret memory": (447, 0),
        "fanotify": ((300, 262)[MACHINE], 0, 0),
        "local descriptor table": (154 if MACHINE == 0 else 9999, 1, (ctypes.c_uint32 * 4)(0, 0, 0, 0), 16),
        "io privilege": (172 if MACHINE == 0 else 9999, 3),
    }
    for name, arguments in attempts.items():
        if call(*arguments) >= 0:
            fallen = True
            print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
