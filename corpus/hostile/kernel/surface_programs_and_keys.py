#! class: kernel
#! attack: bpf, perf, keys, io_uring, userfaultfd, fanotify, secret memory: refused before the arguments are looked at
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


BAD = 1
refused("bpf", (321, 280), 999, BAD, 8)
refused("perf_event_open", (298, 241), BAD, -1, -1, -1, 0)
refused("add_key", (248, 217), BAD, BAD, BAD, 0, 0)
refused("request_key", (249, 218), BAD, BAD, BAD, 0)
refused("keyctl", (250, 219), 9999, 0, 0, 0, 0)
refused("keyctl session", (250, 219), 0, -3, 0, 0, 0)
refused("io_uring_setup", (425, 425), 1, BAD)
refused("io_uring_enter", (426, 426), -1, 0, 0, 0, 0, 0)
refused("io_uring_register", (427, 427), -1, 0, BAD, 0)
refused("userfaultfd", (323, 282), -1)
refused("fanotify_init", (300, 262), -1, -1)
refused("fanotify_mark", (301, 263), -1, -1, 0, -1, BAD)
refused("memfd_secret", (447, 447), -1)
refused("open_by_handle_at", (304, 265), -1, BAD, 0)
refused("name_to_handle_at", (303, 264), -1, BAD, BAD, BAD, -1)
refused("lookup_dcookie", (212, 18), 0, BAD, 1)
print("FALLEN" if fallen else "WALLED")
