#! class: kernel
#! attack: change the host's name, clock or log, and read the kernel's log
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
import time

before = os.uname()
if MACHINE is not None:
    for name in (b"owned", b""):
        if call((170, 161)[MACHINE], name, len(name)) == 0 or call((171, 162)[MACHINE], name, len(name)) == 0:
            fallen = True
            print("BREACH name changed")
    buffer = ctypes.create_string_buffer(4096)
    for action in (2, 3, 4, 9, 10):
        if call((103, 116)[MACHINE], action, ctypes.addressof(buffer), 4096) > 0:
            fallen = True
            print("BREACH kernel log", action)
    # The time of now, so that even a breach changes nothing.
    now = (ctypes.c_int64 * 2)(int(time.time()), 0)
    if call((227, 112)[MACHINE], 0, now) == 0 or call((164, 170)[MACHINE], now, 0) == 0:
        fallen = True
        print("BREACH clock set")
if os.uname().nodename != before.nodename:
    fallen = True
    print("BREACH nodename")
print("FALLEN" if fallen else "WALLED")
