#! class: neighbour
#! attack: leave every kind of trace for the next run: files, shared memory, semaphores, queues, modules, state, processes
#! validator: rejects
#! then: find_traces.py
#! expect artifacts: trace.txt
#! expect stdout: left
import builtins
import ctypes
import json
import os
import platform
import random
import signal
import socket
import sys
import time

MARK = b"TRACE-OF-ANOTHER-RUN"
places = ["/tmp/trace.txt", "/tmp/output/trace.txt", "/dev/shm/trace.txt", "/var/tmp/trace.txt", "/run/trace.txt", os.path.expanduser("~/trace.txt")]
for place in places + [os.path.join(os.path.dirname(json.__file__), "trace.py")]:
    try:
        with open(place, "wb") as handle:
            handle.write(MARK)
    except OSError:
        pass
for name in ("sitecustomize.py", "numpy.py", "json.py", ".matplotlib/matplotlibrc", ".config/matplotlib/matplotlibrc"):
    try:
        os.makedirs(os.path.dirname(os.path.join("/tmp", name)), exist_ok=True)
        with open(os.path.join("/tmp", name), "wb") as handle:
            handle.write(b"# " + MARK)
    except OSError:
        pass
libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
shared = libc.shmget(0x5AFE0001, 4096, 0o1666)
if shared >= 0:
    address = libc.shmat(shared, None, 0)
    if address not in (None, ctypes.c_void_p(-1).value):
        ctypes.memmove(address, MARK, len(MARK))
libc.semget(0x5AFE0002, 1, 0o1666)
libc.msgget(0x5AFE0003, 0o1666)
NUMBERS = {"x86_64": (240, 248), "aarch64": (180, 217)}.get(platform.machine())
if NUMBERS:
    libc.syscall(ctypes.c_long(NUMBERS[0]), b"trace", 0o102, 0o666, None)
    libc.syscall(ctypes.c_long(NUMBERS[1]), b"user", b"trace-of-another-run", MARK, ctypes.c_long(len(MARK)), ctypes.c_long(-4))
try:
    listener = socket.socket(socket.AF_UNIX)
    listener.bind("\0trace-of-another-run")
    listener.listen()
except OSError:
    pass
# State of this interpreter, which a warm one might hand on.
os.environ["TRACE_OF_ANOTHER_RUN"] = "1"
builtins.trace_of_another_run = json.trace_of_another_run = sys.modules[__name__]
sys.modules["trace_of_another_run"] = sys
sys.path.insert(0, "/trace-of-another-run")
sys.argv.append("trace-of-another-run")
json.dumps = lambda *args, **options: "TRACE"
signal.signal(signal.SIGUSR1, signal.SIG_IGN)
os.umask(0o053)
random.seed(1)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.close(1)
        os.close(2)
        while True:
            time.sleep(100)
    os._exit(0)
print("left", flush=True)
os._exit(0)
