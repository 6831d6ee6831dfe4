#! class: kernel
#! attack: lay a wider landlock rule set over the narrow one
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

# struct landlock_ruleset_attr: handled_access_fs = everything of the first version
attribute = (ctypes.c_uint64 * 3)(0x1FFF, 0, 0)
if MACHINE is not None:
    ruleset = call(444, attribute, 8, 0)
    if ruleset >= 0:
        root = os.open("/", os.O_PATH)
        rule = ctypes.create_string_buffer((0x1FFF).to_bytes(8, "little") + root.to_bytes(4, "little"), 12)
        call(445, ruleset, 1, ctypes.addressof(rule), 0)
        call(446, ruleset, 0)
    for path in ("/sandbox-probe", "/etc/sandbox-probe", "/usr/sandbox-probe"):
        try:
            os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
            fallen = True
            print("BREACH wrote", path)
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
