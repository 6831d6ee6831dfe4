#! class: kernel
#! attack: numbers that no table knows, negative ones, and ones with high bits
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
    for number in (-1, -2, 512, 600, 999, 5000, 0xFFFF, 0x7FFFFFFF, 1 << 31, (1 << 32) + 165, (1 << 63) - 1):
        result = call(number, 0, 0, 0, 0, 0)
        if number == (1 << 32) + 165:
            # The kernel looks at the low half only: this is mount, and must be refused as mount is.
            if result == 0 or (result != -errno.EPERM and result != -errno.ENOSYS and result != -errno.EFAULT):
                fallen = True
                print("BREACH mount with a high bit", result)
        elif result not in (-errno.ENOSYS, -errno.EPERM):
            fallen = True
            print("BREACH", hex(number), errno.errorcode.get(-result, result))
print("FALLEN" if fallen else "WALLED")
