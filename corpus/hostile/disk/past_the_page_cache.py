#! class: disk
#! attack: read the runtime from the host's disk whatever is in memory, and learn which of its pages are
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import errno
import fcntl
import mmap
import os

fallen = False


def expect(what, wanted, attempt):
    global fallen
    try:
        attempt()
    except OSError as error:
        if error.errno in wanted:
            return
        what = f"{what}: {error}"
    fallen = True
    print("BREACH", what)


path = os.__file__
descriptor = os.open(path, os.O_RDONLY)
expect("O_DIRECT", [errno.EINVAL], lambda: os.open(path, os.O_RDONLY | os.O_DIRECT))
expect(
    "O_DIRECT of a descriptor that is open",
    [errno.EINVAL],
    lambda: fcntl.fcntl(descriptor, fcntl.F_SETFL, os.O_DIRECT),
)
RWF_NOWAIT = 8
expect(
    "RWF_NOWAIT",
    [errno.EOPNOTSUPP, errno.ENOSYS],
    lambda: os.preadv(descriptor, [bytearray(1)], 0, RWF_NOWAIT),
)
libc = ctypes.CDLL(None, use_errno=True)


def call(name, *arguments):
    if getattr(libc, name)(*arguments) < 0:
        raise OSError(ctypes.get_errno(), name)


expect("readahead", [errno.EPERM, errno.ENOSYS], lambda: call("readahead", descriptor, ctypes.c_long(0), ctypes.c_size_t(4096)))
expect(
    "sync_file_range",
    [errno.EPERM, errno.ENOSYS],
    lambda: call("sync_file_range", descriptor, ctypes.c_long(0), ctypes.c_long(4096), 7),
)
expect("syncfs", [errno.EPERM, errno.ENOSYS], lambda: call("syncfs", descriptor))
memory = mmap.mmap(descriptor, 4096, prot=mmap.PROT_READ)
address = libc.mmap
address.restype = ctypes.c_void_p
page = address(None, ctypes.c_size_t(4096), 1, 1, descriptor, ctypes.c_long(0))
vector = ctypes.create_string_buffer(1)
expect(
    "mincore",
    [errno.EPERM, errno.ENOSYS],
    lambda: call("mincore", ctypes.c_void_p(page), ctypes.c_size_t(4096), vector),
)
for advice, name in ((20, "MADV_COLD"), (21, "MADV_PAGEOUT")):
    expect(name, [errno.EINVAL], lambda: call("madvise", ctypes.c_void_p(page), ctypes.c_size_t(4096), advice))
print("FALLEN" if fallen else "WALLED")
