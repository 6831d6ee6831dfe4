#! class: kernel
#! attack: a process name with a line end, which the kernel prints into the host's log as it is when the process crashes
#! validator: rejects
#! executors: native, docker, kata
#! expect stdout: WALLED
import ctypes
import os

FORGED = b"a\n[forged]"
libc = ctypes.CDLL(None, use_errno=True)
fallen = False


def names():
    name = ctypes.create_string_buffer(16)
    libc.prctl(16, name, 0, 0, 0)
    yield name.value
    for task in os.listdir("/proc/self/task"):
        with open(f"/proc/self/task/{task}/comm", "rb") as file:
            yield file.read()


# PR_SET_NAME says that it worked: a name is no promise, and libraries give their threads one.
if libc.prctl(15, FORGED, 0, 0, 0) != 0:
    fallen = True
    print("BREACH prctl disturbs who names a thread")
for path in ("/proc/self/comm", f"/proc/self/task/{os.getpid()}/comm"):
    try:
        with open(path, "wb") as file:
            file.write(FORGED)
    except OSError:
        pass
for name in names():
    if b"[forged]" in name:
        fallen = True
        print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
