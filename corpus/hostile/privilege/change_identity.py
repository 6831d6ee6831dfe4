#! class: privilege
#! attack: become root or another user by every call that sets an id
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import os
import platform

fallen = False
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long


def attempt(what, action):
    global fallen
    try:
        action()
    except OSError:
        return
    fallen = True
    print("BREACH", what)


for number in (0, 1, 65534, os.getuid() + 1):
    attempt(f"setuid {number}", lambda: os.setuid(number))
    attempt(f"seteuid {number}", lambda: os.seteuid(number))
    attempt(f"setreuid {number}", lambda: os.setreuid(number, number))
    attempt(f"setresuid {number}", lambda: os.setresuid(number, number, number))
    attempt(f"setgid {number}", lambda: os.setgid(number)) if number != os.getgid() else None
    attempt(f"setregid {number}", lambda: os.setregid(number, number)) if number != os.getgid() else None
    attempt(f"setresgid {number}", lambda: os.setresgid(number, number, number)) if number != os.getgid() else None
    attempt(f"setgroups {number}", lambda: os.setgroups([number]))
attempt("initgroups", lambda: os.initgroups("root", 0))
for name in ("setfsuid", "setfsgid"):
    getattr(libc, name)(0)
    # It returns the id before the call, so ask again.
    if getattr(libc, name)(-1) == 0:
        fallen = True
        print("BREACH", name)
NUMBERS = {"x86_64": {"setuid": 105, "setgid": 106, "setresuid": 117}, "aarch64": {"setuid": 146, "setgid": 144, "setresuid": 147}}
for name, number in NUMBERS.get(platform.machine(), {}).items():
    if libc.syscall(ctypes.c_long(number), 0, 0, 0) == 0 or libc.syscall(ctypes.c_long(number), ctypes.c_long(1 << 32), 0, 0) == 0:
        fallen = True
        print("BREACH the call", name)
if 0 in os.getresuid() + os.getresgid():
    fallen = True
    print("BREACH is root now")
print("FALLEN" if fallen else "WALLED")
