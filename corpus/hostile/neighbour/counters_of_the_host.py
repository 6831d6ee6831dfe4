#! class: neighbour
#! attack: counters that run for the whole host, and pages that the kernel merges with a neighbour's
#! validator: rejects
#! executors: native, docker, kata
#! expect stdout: WALLED
import ctypes
import errno
import mmap
import socket

fallen = False


def refused(what, wanted, attempt):
    global fallen
    try:
        found = attempt()
    except OSError as error:
        if error.errno in wanted:
            return
        found = error
    fallen = True
    print("BREACH", what, found)


one, other = socket.socketpair()
for option, name in ((55, "memory"), (56, "cpu"), (57, "cookie"), (71, "cookie of the network namespace"), (77, "process of the peer")):
    refused(name, [errno.ENOPROTOOPT], lambda: one.getsockopt(socket.SOL_SOCKET, option, 64))
# What asyncio, multiprocessing and socket ask for.
for option in (socket.SO_TYPE, socket.SO_ERROR, socket.SO_SNDBUF, socket.SO_PEERCRED, socket.SO_DOMAIN, socket.SO_PROTOCOL):
    one.getsockopt(socket.SOL_SOCKET, option)
memory = mmap.mmap(-1, 1 << 16)
refused("merged pages", [errno.EINVAL], lambda: memory.madvise(12))
memory.madvise(mmap.MADV_DONTNEED)
libc = ctypes.CDLL(None, use_errno=True)
if libc.unshare(0x400) == 0:
    fallen = True
    print("BREACH descriptors of a thread's own")
if libc.close_range(1000, 1001, 2) == 0:
    fallen = True
    print("BREACH descriptors of a thread's own by close_range")
print("FALLEN" if fallen else "WALLED")
