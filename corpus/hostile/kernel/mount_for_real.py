#! class: kernel
#! attack: mount a tmpfs, a proc and a bind of the root; remount the root writable; unmount what masks something
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

MS_REMOUNT, MS_BIND, MS_MOVE, MS_REC, MS_PRIVATE = 32, 4096, 8192, 16384, 1 << 18
os.mkdir("/tmp/point")
if MACHINE is not None:
    for what, arguments in {
        "tmpfs": (b"none", b"/tmp/point", b"tmpfs", 0, 0),
        "proc": (b"none", b"/tmp/point", b"proc", 0, 0),
        "sysfs": (b"none", b"/tmp/point", b"sysfs", 0, 0),
        "cgroup2": (b"none", b"/tmp/point", b"cgroup2", 0, 0),
        "overlay": (b"none", b"/tmp/point", b"overlay", 0, b"lowerdir=/,upperdir=/tmp,workdir=/tmp/point"),
        "bind of the root": (b"/", b"/tmp/point", b"", MS_BIND | MS_REC, 0),
        "disk": (b"/dev/vda", b"/tmp/point", b"ext4", 0, 0),
        "root writable": (b"none", b"/", b"", MS_REMOUNT | MS_BIND, 0),
        "tmp executable": (b"none", b"/tmp", b"", MS_REMOUNT | MS_BIND, 0),
        "move of proc": (b"/proc", b"/tmp/point", b"", MS_MOVE, 0),
        "propagation": (b"none", b"/", b"", MS_PRIVATE | MS_REC, 0),
    }.items():
        if call((165, 40)[MACHINE], *arguments) == 0:
            fallen = True
            print("BREACH mount:", what)
    for target in (b"/proc", b"/tmp", b"/dev/null", b"/", b"/sys"):
        for flags in (0, 2, 1):
            if call((166, 39)[MACHINE], target, flags) == 0:
                fallen = True
                print("BREACH unmounted", target.decode())
    if call((161, 51)[MACHINE], b"/tmp") == 0:
        fallen = True
        print("BREACH chroot")
    if call((155, 41)[MACHINE], b"/tmp", b"/tmp/point") == 0:
        fallen = True
        print("BREACH pivot_root")
print("FALLEN" if fallen else "WALLED")
