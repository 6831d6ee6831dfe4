#! class: kernel
#! attack: calls that rule the whole machine, with wrong magic numbers: refused before the arguments are looked at
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
# The magic numbers of reboot are wrong on purpose: even without any wall nothing would happen.
refused("reboot", (169, 142), 0xDEAD, 0xBEEF, 0, 0)
refused("kexec_load", (246, 104), 0, 0, 0, -1)
refused("kexec_file_load", (320, 294), -1, -1, 0, 0, -1)
refused("init_module", (175, 105), BAD, 0, BAD)
refused("finit_module", (313, 273), -1, BAD, -1)
refused("delete_module", (176, 106), BAD, 0)
refused("settimeofday", (164, 170), BAD, 0)
refused("clock_settime", (227, 112), 0, BAD)
refused("adjtimex", (159, 171), BAD)
refused("clock_adjtime", (305, 266), 0, BAD)
refused("sethostname", (170, 161), BAD, 1)
refused("setdomainname", (171, 162), BAD, 1)
refused("syslog", (103, 116), 10, 0, 0)
refused("acct", (163, 89), BAD)
refused("iopl", (172, None), 9)
refused("ioperm", (173, None), 0, 1, 1)
refused("modify_ldt", (154, None), 0, BAD, 0)
refused("uselib", (134, None), BAD)
refused("sysfs", (139, None), 3, 0, 0)
print("FALLEN" if fallen else "WALLED")
