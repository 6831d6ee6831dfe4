#! class: privilege
#! attack: raise capabilities with capset and prctl, or loosen what was taken away for good
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import platform

libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
CAPSET = {"x86_64": 126, "aarch64": 91}.get(platform.machine())
PR_SET_KEEPCAPS, PR_SET_SECUREBITS, PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_SET_MM = 8, 28, 38, 47, 35
fallen = False


class Header(ctypes.Structure):
    _fields_ = [("version", ctypes.c_uint32), ("pid", ctypes.c_int)]


if CAPSET:
    data = (ctypes.c_uint32 * 6)(*[0xFFFFFFFF] * 6)
    if libc.syscall(ctypes.c_long(CAPSET), ctypes.byref(Header(0x20080522, 0)), data) == 0:
        fallen = True
        print("BREACH capset")
for capability in range(41):
    if libc.prctl(PR_CAP_AMBIENT, 2, capability, 0, 0) == 0:
        fallen = True
        print("BREACH ambient", capability)
for what, arguments in {
    "securebits": (PR_SET_SECUREBITS, 0x2F, 0, 0, 0),
    "no_new_privs off": (PR_SET_NO_NEW_PRIVS, 0, 0, 0, 0),
    "memory layout": (PR_SET_MM, 1, 4096, 0, 0),
}.items():
    if libc.prctl(*(ctypes.c_ulong(a) if i else a for i, a in enumerate(arguments))) == 0:
        fallen = True
        print("BREACH", what)
for line in open("/proc/self/status"):
    name, _, value = line.partition(":")
    if name.startswith("Cap") and int(value, 16):
        fallen = True
        print("BREACH", name, value.strip())
print("FALLEN" if fallen else "WALLED")
