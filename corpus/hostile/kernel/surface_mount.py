#! class: kernel
#! attack: mount and its newer siblings: the filter must refuse before the kernel looks at the arguments
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


def refused(name, numbers, *arguments):
    """The filter must answer before the kernel looks at the arguments, which are wrong on purpose: EINVAL or EFAULT is a breach."""
    global fallen
    if MACHINE is None or numbers[MACHINE] is None:
        return
    result = call(numbers[MACHINE], *arguments)
    if result not in (-errno.EPERM, -errno.ENOSYS):
        fallen = True
        print("BREACH", name, errno.errorcode.get(-result, result))


BAD = 1  # an address that nobody may read
refused("mount", (165, 40), BAD, BAD, BAD, 0, 0)
refused("umount2", (166, 39), BAD, 0)
refused("pivot_root", (155, 41), BAD, BAD)
refused("chroot", (161, 51), BAD)
refused("open_tree", (428, 428), -1, BAD, -1)
refused("move_mount", (429, 429), -1, BAD, -1, BAD, -1)
refused("fsopen", (430, 430), BAD, -1)
refused("fsconfig", (431, 431), -1, -1, BAD, BAD, -1)
refused("fsmount", (432, 432), -1, -1, -1)
refused("fspick", (433, 433), -1, BAD, -1)
refused("mount_setattr", (442, 442), -1, BAD, -1, BAD, 1)
refused("statmount", (457, 457), BAD, BAD, 1, -1)
refused("listmount", (458, 458), BAD, BAD, 1, -1)
refused("quotactl", (179, 60), -1, BAD, 0, BAD)
refused("quotactl_fd", (443, 443), -1, -1, 0, BAD)
refused("swapon", (167, 224), BAD, -1)
refused("swapoff", (168, 225), BAD)
print("FALLEN" if fallen else "WALLED")
