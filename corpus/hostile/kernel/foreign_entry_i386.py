#! class: kernel
#! attack: enter the kernel through int 0x80, where the same numbers mean other calls
#! executors: native, docker, kata
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
import mmap
import os

# i386 numbers: 20 getpid, 21 mount, 26 ptrace, 102 socketcall, 310 unshare, 359 socket
if platform.machine() == "x86_64":
    for name, number in {"getpid": 20, "mount": 21, "ptrace": 26, "socketcall": 102, "unshare": 310, "socket": 359, "getuid": 199}.items():
        child = os.fork()
        if child == 0:
            try:
                page = mmap.mmap(-1, 4096, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS, mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC)
            except OSError:
                os._exit(0)
            # push rbx; mov eax, number; mov ebx, 1; mov ecx, 1; mov edx, 1; int 0x80; pop rbx; ret
            page.write(b"\x53\xb8" + number.to_bytes(4, "little") + b"\xbb\x01\0\0\0\xb9\x01\0\0\0\xba\x01\0\0\0\xcd\x80\x5b\xc3")
            result = ctypes.CFUNCTYPE(ctypes.c_int)(ctypes.addressof(ctypes.c_char.from_buffer(page)))()
            os._exit(0 if result in (-errno.EPERM, -errno.ENOSYS) else 1)
        _, status = os.waitpid(child, 0)
        # Killed (SIGSYS by the filter, SIGSEGV where the kernel has no such entry) is a wall too.
        if os.WIFEXITED(status) and os.WEXITSTATUS(status):
            fallen = True
            print("BREACH int 0x80", name)
print("FALLEN" if fallen else "WALLED")
