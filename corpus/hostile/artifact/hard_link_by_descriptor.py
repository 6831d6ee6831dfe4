#! class: artifact
#! attack: linkat with AT_EMPTY_PATH and /proc/self/fd to give a name to an open host file
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import os
import sys

AT_FDCWD, AT_EMPTY_PATH, AT_SYMLINK_FOLLOW = -100, 0x1000, 0x400
libc = ctypes.CDLL(None, use_errno=True)
fallen = False
for path in (os.__file__, "/etc/ld.so.cache", os.path.realpath(sys.executable), "/dev/null"):
    try:
        handle = os.open(path, os.O_RDONLY)
    except OSError:
        continue
    if libc.linkat(handle, b"", AT_FDCWD, b"by-descriptor", AT_EMPTY_PATH) == 0:
        fallen = True
        print("BREACH by descriptor", path)
    if libc.linkat(AT_FDCWD, b"/proc/self/fd/%d" % handle, AT_FDCWD, b"by-magic-link", AT_SYMLINK_FOLLOW) == 0:
        fallen = True
        print("BREACH by magic link", path)
    try:
        os.rename(path, "moved")
        fallen = True
        print("BREACH moved", path)
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
