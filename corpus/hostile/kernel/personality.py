#! class: kernel
#! attack: personality bits that switch off address randomisation or make memory executable
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
    for name, bits in {"ADDR_NO_RANDOMIZE": 0x0040000, "READ_IMPLIES_EXEC": 0x0400000, "MMAP_PAGE_ZERO": 0x0100000, "ADDR_COMPAT_LAYOUT": 0x0200000, "all": 0xFFFF0000}.items():
        for high in (0, 1 << 32):
            if call((135, 92)[MACHINE], bits | high) >= 0:
                fallen = True
                print("BREACH personality", name, hex(high))
print("FALLEN" if fallen else "WALLED")
