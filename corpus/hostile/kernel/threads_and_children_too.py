#! class: kernel
#! attack: try the forbidden calls from a new thread, a forked child and an executed program: the walls must be inherited
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import os
import subprocess
import sys
import threading

PROBE = """
import ctypes, os, socket, sys
libc = ctypes.CDLL(None, use_errno=True)
bad = []
try:
    socket.socket(); bad.append("socket")
except OSError: pass
if libc.mount(b"none", b"/tmp", b"tmpfs", 0, None) == 0: bad.append("mount")
if libc.unshare(0x10000000) == 0: bad.append("unshare")
try:
    open("/etc/sandbox-probe", "w"); bad.append("write")
except OSError: pass
status = dict(l.rstrip("\\n").split(":\\t", 1) for l in open("/proc/thread-self/status") if ":\\t" in l)
if status["Seccomp"] != "2" or status["NoNewPrivs"] != "1" or int(status["CapEff"], 16) or int(status["CapBnd"], 16): bad.append("status")
"""
results = {"thread": ["failed"]}


def probe(name):
    scope = {}
    exec(PROBE, scope)
    results[name] = scope["bad"]


thread = threading.Thread(target=probe, args=("thread",))
thread.start()
thread.join()
reader, writer = os.pipe()
if os.fork() == 0:
    try:
        probe("child")
    finally:
        os.write(writer, repr(results.get("child", ["failed"])).encode())
        os._exit(0)
os.wait()
results["child"] = eval(os.read(reader, 1000))
done = subprocess.run([sys.executable, "-I", "-c", PROBE + "print(bad)"], capture_output=True, text=True)
results["program"] = eval(done.stdout) if done.returncode == 0 else [done.stderr]
fallen = False
for name, bad in results.items():
    if bad:
        fallen = True
        print("BREACH in a", name, bad)
print("FALLEN" if fallen else "WALLED")
