#! class: kernel
#! attack: kernel keyrings are shared by all processes of a user: leave a key, read what others left
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
    for ring in (-1, -2, -3, -4, -5):  # thread, process, session, user, user session
        if call((248, 217)[MACHINE], b"user", b"sandbox-trace", b"trace", 5, ring) >= 0:
            fallen = True
            print("BREACH left a key in ring", ring)
        if call((250, 219)[MACHINE], 11, ring, 0, 0, 0) >= 0:
            fallen = True
            print("BREACH read ring", ring)
    if call((249, 218)[MACHINE], b"user", b"sandbox-trace", 0, 0) >= 0:
        fallen = True
        print("BREACH found the key of another run")
print("FALLEN" if fallen else "WALLED")
