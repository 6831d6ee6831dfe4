#! class: kernel
#! attack: push characters into a terminal: TIOCSTI and TIOCLINUX, also with bits that the kernel ignores
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

TIOCSTI, TIOCLINUX = 0x5412, 0x541C
character = ctypes.create_string_buffer(b"#")
if MACHINE is not None:
    pipe_read, pipe_write = os.pipe()
    for name, request in (("TIOCSTI", TIOCSTI), ("TIOCLINUX", TIOCLINUX)):
        for high in (0, 1 << 32, 1 << 40, 1 << 63):
            for handle in (0, 1, 2, pipe_read):
                result = call((16, 29)[MACHINE], handle, request + high, ctypes.addressof(character))
                if result not in (-errno.EPERM, -errno.ENOSYS):
                    fallen = True
                    print("BREACH", name, hex(high), errno.errorcode.get(-result, result))
                    break
for path in ("/dev/tty", "/dev/ptmx", "/dev/pts/ptmx", "/dev/console", "/dev/tty0", "/dev/vcs"):
    try:
        os.close(os.open(path, os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK))
        fallen = True
        print("BREACH opened", path)
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
