#! class: neighbour
#! attack: look for what the previous run left: files, shared memory, semaphores, queues, modules, state, processes
#! validator: rejects
#! expect stdout: WALLED
import builtins
import ctypes
import json
import os
import platform
import signal
import socket
import sys

MARK = b"TRACE-OF-ANOTHER-" + b"RUN"
fallen = False


def breach(*what):
    global fallen
    fallen = True
    print("BREACH", *what)


for place in ("/tmp", "/dev/shm", "/var/tmp", "/run", "/dev/mqueue", os.path.dirname(json.__file__)):
    for root, folders, files in os.walk(place):
        for name in files:
            path = os.path.join(root, name)
            if "trace.txt" in name or name == "trace.py":
                breach(path)
            try:
                if os.path.isfile(path) and MARK in open(path, "rb").read(65536):
                    breach("mark in", path)
            except OSError:
                pass
if os.listdir("/tmp/output"):
    breach("output is not empty", os.listdir("/tmp/output"))
libc = ctypes.CDLL(None, use_errno=True)
for name, found in {
    "shared memory": libc.shmget(0x5AFE0001, 0, 0),
    "semaphore": libc.semget(0x5AFE0002, 0, 0),
    "queue": libc.msgget(0x5AFE0003, 0),
}.items():
    if found >= 0:
        breach(name)
NUMBERS = {"x86_64": (240, 249), "aarch64": (180, 218)}.get(platform.machine())
if NUMBERS:
    if libc.syscall(ctypes.c_long(NUMBERS[0]), b"trace", 0, 0, None) >= 0:
        breach("message queue")
    if libc.syscall(ctypes.c_long(NUMBERS[1]), b"user", b"trace-of-another-run", None, ctypes.c_long(0)) >= 0:
        breach("key")
try:
    socket.socket(socket.AF_UNIX).connect("\0trace-of-another-run")
    breach("abstract socket")
except OSError:
    pass
if "TRACE_OF_ANOTHER_RUN" in os.environ:
    breach("variable")
if hasattr(builtins, "trace_of_another_run") or hasattr(json, "trace_of_another_run") or "trace_of_another_run" in sys.modules:
    breach("module state")
if "/trace-of-another-run" in sys.path or "trace-of-another-run" in sys.argv:
    breach("path or arguments")
if json.dumps([1]) != "[1]":
    breach("a changed function")
if signal.getsignal(signal.SIGUSR1) != signal.SIG_DFL:
    breach("signal handling")
mask = os.umask(0o022)
if mask == 0o053:
    breach("umask", oct(mask))
for pid in [p for p in os.listdir("/proc") if p.isdigit() and int(p) not in (1, os.getpid())]:
    if os.stat(f"/proc/{pid}").st_uid == os.getuid():
        breach("process", pid)
print("FALLEN" if fallen else "WALLED")
