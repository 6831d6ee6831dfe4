#! class: host-read
#! attack: find the service's variables in the environment, in its first copy on the stack, and in the C library
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import os

NEEDLE = b"CANARY" + b"-7f3a"
SUSPECT = ("STORAGE_", "EXECUTOR_", "NATIVE_", "DOCKER_", "FIRECRACKER_", "API_KEY", "AWS_", "REDIS", "CANARY", "CARGO", "SSH_", "SUDO_")
sources = {"os.environ": b"\0".join(k + b"=" + v for k, v in os.environb.items())}
for name in ("/proc/self/environ", "/proc/thread-self/environ", "/proc/self/cmdline", "/proc/self/auxv"):
    try:
        with open(name, "rb") as handle:
            sources[name] = handle.read()
    except OSError:
        pass
block = ctypes.POINTER(ctypes.c_char_p).in_dll(ctypes.CDLL(None), "environ")
found, index = [], 0
while block and block[index]:
    found.append(block[index])
    index += 1
sources["libc environ"] = b"\0".join(found)
fallen = False
for source, data in sources.items():
    if NEEDLE in data:
        fallen = True
        print("BREACH canary in", source)
    if source in ("/proc/self/cmdline", "/proc/self/auxv"):
        continue
    for entry in data.split(b"\0"):
        name = entry.split(b"=")[0].decode("utf-8", "replace")
        if name.startswith(SUSPECT):
            fallen = True
            print("BREACH variable", name, "in", source)
print("FALLEN" if fallen else "WALLED")
