#! class: kernel
#! attack: enter the namespaces of the first process through descriptors and pidfds
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

if MACHINE is not None:
    for pid in (1, os.getppid()):
        for kind in ("mnt", "net", "pid", "ipc", "uts", "user", "cgroup", "time"):
            try:
                handle = os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY)
            except OSError:
                continue
            if call((308, 268)[MACHINE], handle, 0) == 0:
                fallen = True
                print("BREACH entered", kind, "of", pid)
        if pid:
            handle = call(434, pid, 0)  # pidfd_open
            if handle >= 0:
                if call((308, 268)[MACHINE], handle, 0x00020000 | 0x40000000) == 0:
                    fallen = True
                    print("BREACH entered by pidfd", pid)
                for number in range(16):
                    if call(438, handle, number, 0) >= 0:  # pidfd_getfd
                        fallen = True
                        print("BREACH took descriptor", number, "of", pid)
                if call(424, handle, 9, 0, 0) == 0 and pid != os.getpid():  # pidfd_send_signal
                    fallen = True
                    print("BREACH killed by pidfd", pid)
    # The namespaces of one's own are open to everyone; entering them again must not give rights.
    for kind in ("user", "mnt", "pid"):
        try:
            handle = os.open(f"/proc/self/ns/{kind}", os.O_RDONLY)
        except OSError:
            continue
        if call((308, 268)[MACHINE], handle, 0) == 0:
            fallen = True
            print("BREACH entered own", kind)
        try:
            import fcntl

            fcntl.ioctl(handle, 0xB701)  # NS_GET_USERNS
            fcntl.ioctl(handle, 0xB702)  # NS_GET_PARENT
            fallen = True
            print("BREACH parent of", kind)
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
