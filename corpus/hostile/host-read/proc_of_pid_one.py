#! class: host-read
#! attack: read the first process through /proc: root, environ, memory, descriptors, maps
#! validator: rejects
#! expect stdout: WALLED
import os

NEEDLE = b"CANARY" + b"-7f3a"
fallen = False


def breach(what):
    global fallen
    fallen = True
    print("BREACH", what)


me = os.getpid()
for pid in [p for p in os.listdir("/proc") if p.isdigit() and int(p) != me] + ["1"]:
    base = f"/proc/{pid}"
    for name in ("environ", "mem", "maps", "auxv", "stack", "syscall", "personality", "io", "pagemap"):
        try:
            with open(f"{base}/{name}", "rb") as handle:
                data = handle.read(65536)
        except OSError:
            continue
        if data:
            breach(f"{base}/{name} gives {len(data)} bytes")
    for name in ("root", "cwd", "exe", "ns/mnt", "ns/net", "ns/pid"):
        try:
            breach(f"{base}/{name} is {os.readlink(f'{base}/{name}')}")
        except OSError:
            pass
    for name in ("fd", "fdinfo", "map_files", "root", "cwd"):
        try:
            breach(f"{base}/{name} lists {len(os.listdir(f'{base}/{name}'))}")
        except OSError:
            pass
    for task in ("task/" + pid, ""):
        try:
            with open(f"{base}/{task}/cmdline", "rb") as handle:
                if NEEDLE in handle.read():
                    breach(f"{base}/{task}/cmdline holds the canary")
        except OSError:
            pass
    for host_file in ("root/tmp/python-sandbox-canary", "cwd/../tmp/python-sandbox-canary", "root/etc/shadow"):
        try:
            open(f"{base}/{host_file}", "rb").close()
            breach(f"{base}/{host_file} opens")
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
