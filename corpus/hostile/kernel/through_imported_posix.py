#! class: kernel
#! attack: modules that do what os does but have another name: posix, pty, _posixsubprocess, _thread, resource, signal
#! validator: accepts
#! expect stdout: WALLED
import _posixsubprocess
import _thread
import posix
import pty
import resource
import signal

fallen = False
for name, attempt in {
    "terminal": lambda: pty.openpty(),
    "first process": lambda: posix.kill(1, signal.SIGKILL),
    "first process stopped": lambda: posix.kill(1, signal.SIGSTOP),
    "limit of the first process": lambda: resource.prlimit(1, resource.RLIMIT_AS, (0, 0)),
    "root": lambda: posix.setuid(0),
    "device": lambda: posix.mknod("/tmp/zero", 0o20666, 261),
    "write": lambda: posix.open("/usr/sandbox-probe", posix.O_CREAT | posix.O_WRONLY),
}.items():
    try:
        attempt()
    except OSError:
        continue
    fallen = True
    print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
