#! class: kernel
#! attack: read and write the memory of the first process and of the parent: ptrace, process_vm_readv, process_vm_writev
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

buffer = ctypes.create_string_buffer(64)
local = (ctypes.c_uint64 * 2)(ctypes.addressof(buffer), 64)
if MACHINE is not None:
    for pid in {1, os.getppid()} - {0}:
        for address in (0x400000, 0x555555554000, 0x7FFFFFFDE000, ctypes.addressof(buffer)):
            remote = (ctypes.c_uint64 * 2)(address, 64)
            for name, number in (("process_vm_readv", (310, 270)), ("process_vm_writev", (311, 271))):
                if call(number[MACHINE], pid, local, 1, remote, 1, 0) >= 0:
                    fallen = True
                    print("BREACH", name, pid)
        for request in (16, 0x4206):  # PTRACE_ATTACH, PTRACE_SEIZE
            if call((101, 117)[MACHINE], request, pid, 0, 0) == 0:
                fallen = True
                print("BREACH ptrace", request, pid)
                call((101, 117)[MACHINE], 17, pid, 0, 0)
        for name in ("mem", "syscall", "stack", "auxv"):
            try:
                with open(f"/proc/{pid}/{name}", "rb") as handle:
                    handle.read(1)
            except OSError:
                continue
            fallen = True
            print("BREACH", name, "of", pid)
print("FALLEN" if fallen else "WALLED")
