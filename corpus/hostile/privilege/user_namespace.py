#! class: privilege
#! attack: make a user namespace and be root in it, in every way there is
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import os
import platform
import signal

NUMBERS = {"x86_64": {"unshare": 272, "clone": 56, "clone3": 435}, "aarch64": {"unshare": 97, "clone": 220, "clone3": 435}}.get(platform.machine())
CLONE_NEWUSER = 0x10000000
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
fallen = False


def breach(what):
    global fallen
    fallen = True
    print("BREACH", what)


if NUMBERS:
    for flags in (CLONE_NEWUSER, CLONE_NEWUSER | 0x00020000, CLONE_NEWUSER | 0x40000000):
        if libc.syscall(ctypes.c_long(NUMBERS["unshare"]), ctypes.c_long(flags)) == 0:
            breach(f"unshare {flags:#x}")
    # With bits above the 32nd, which the kernel ignores and a careless filter compares.
    for flags in (CLONE_NEWUSER | signal.SIGCHLD, CLONE_NEWUSER | signal.SIGCHLD | 1 << 32, CLONE_NEWUSER | signal.SIGCHLD | 1 << 63):
        child = libc.syscall(ctypes.c_long(NUMBERS["clone"]), ctypes.c_ulong(flags), 0, 0, 0, 0)
        if child == 0:
            os._exit(0)
        if child > 0:
            os.waitpid(child, 0)
            breach(f"clone {flags:#x}")
    arguments = (ctypes.c_uint64 * 11)(CLONE_NEWUSER, 0, 0, 0, signal.SIGCHLD)
    child = libc.syscall(ctypes.c_long(NUMBERS["clone3"]), arguments, ctypes.c_long(64))
    if child == 0:
        os._exit(0)
    if child > 0:
        os.waitpid(child, 0)
        breach("clone3")
for name in ("uid_map", "gid_map"):
    try:
        with open(f"/proc/self/{name}", "w") as handle:
            handle.write("0 0 4294967295\n")
        breach(name)
    except OSError:
        pass
if 0 in os.getresuid():
    breach("is root in a namespace")
print("FALLEN" if fallen else "WALLED")
