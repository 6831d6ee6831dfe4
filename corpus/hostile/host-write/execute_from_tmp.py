#! class: host-write
#! attack: run a program or load a library that was written to /tmp
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import glob
import mmap
import os
import shutil
import subprocess
import sys
import sysconfig

fallen = False


def attempt(what, action):
    global fallen
    try:
        action()
    except OSError:
        return
    fallen = True
    print("BREACH", what)


for folder in ("/tmp", "/tmp/output", "/dev/shm"):
    binary = shutil.copyfile(os.path.realpath(sys.executable), f"{folder}/program")
    os.chmod(binary, 0o755)
    attempt(f"ran {binary}", lambda: subprocess.run([binary, "-c", "pass"], check=True, env={}))
    with open(f"{folder}/script", "w") as handle:
        handle.write(f"#!{sys.executable}\n")
    os.chmod(f"{folder}/script", 0o755)
    attempt(f"ran {folder}/script", lambda: subprocess.run([f"{folder}/script"], check=True))
    with open(binary, "rb") as handle:
        attempt(f"mapped {binary}", lambda: mmap.mmap(handle.fileno(), 4096, mmap.MAP_PRIVATE, mmap.PROT_READ | mmap.PROT_EXEC))
    for library in glob.glob(sysconfig.get_path("platstdlib") + "/lib-dynload/_*.so")[:1]:
        copy = shutil.copyfile(library, f"{folder}/library.so")
        attempt(f"loaded {copy}", lambda: ctypes.CDLL(copy))
        os.unlink(copy)
    os.unlink(binary)
    os.unlink(f"{folder}/script")
print("FALLEN" if fallen else "WALLED")
