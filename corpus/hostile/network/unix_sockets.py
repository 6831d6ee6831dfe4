#! class: network
#! attack: connect to a socket of Docker, of systemd, of the service or of another sandbox, by path and by abstract name
#! validator: rejects
#! expect stdout: WALLED
import os
import socket
import stat

fallen = False


def breach(*what):
    global fallen
    fallen = True
    print("BREACH", *what)


def local(kind=socket.SOCK_STREAM):
    made = socket.socket(socket.AF_UNIX, kind)
    made.settimeout(1)
    return made


# What is there to be found, before this program makes a socket of its own.
for root, folders, files in os.walk("/", onerror=lambda error: None):
    if root == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys", "usr", "lib", "lib64", "opt")]
    for name in files:
        if stat.S_ISSOCK(os.lstat(os.path.join(root, name)).st_mode):
            breach("a socket at", os.path.join(root, name))
for table in ("/proc/net/unix", "/proc/self/net/unix", "/proc/1/net/unix"):
    if os.path.exists(table) and any(len(line.split()) > 7 for line in open(table).readlines()[1:]):
        breach(table, "lists sockets with a name")

paths = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private", "/run/systemd/notify",
         "/run/dbus/system_bus_socket", "/dev/log", "/run/systemd/journal/socket", "/run/systemd/journal/stdout", "/run/nscd/socket",
         "/run/uuidd/request", "/tmp/.X11-unix/X0", "/tmp/firecracker", "/tmp/python-sandbox-canary.sock"]
# The same, by ways that might lead out of this root.
doors = ["", "/proc/1/root", "/proc/self/root", "/proc/1/cwd", "/proc/self/cwd/../..", "/proc/self/fd/0/../..", "/../../..", "/tmp/../.."]
doors += [f"/proc/{pid}/root" for pid in os.listdir("/proc") if pid.isdigit()]
names = ["python-sandbox-canary", "/tmp/.X11-unix/X0", "sandbox-rendezvous", "/tmp/dbus-", "/containerd-shim/"]
for address in ["\0" + name for name in names] + [door + path for door in doors for path in paths]:
    try:
        local().connect(address)
    except OSError:
        continue
    breach("connected to", ascii(address))
# Names that the kernel gives: five digits, for sockets of this namespace alone. Here there are none to be found.
for number in range(0x1000):
    try:
        local().connect("\0%05x" % number)
    except OSError:
        continue
    breach("connected to the name", number)

# A name of one's own is no way out. A path is, where others would see it.
for place in ("/", "/run", "/var/run", "/dev", "/etc", "/usr/lib", "/proc/self", "/sys", "/var/tmp"):
    try:
        local().bind(os.path.join(place, "mine.sock"))
    except OSError:
        continue
    if os.path.realpath(place).startswith("/tmp"):
        os.unlink(os.path.join(place, "mine.sock"))
    else:
        breach("made a socket in", place)
# Kinds without a connection could be sent from to anybody.
for kind in (socket.SOCK_DGRAM, socket.SOCK_SEQPACKET, socket.SOCK_RAW):
    for address in ("\0python-sandbox-canary", "/dev/log", "/run/systemd/notify", "/tmp/mine.sock"):
        try:
            local(kind).connect(address)
        except OSError:
            continue
        breach("connected by kind", kind, ascii(address))
# Whoever comes to a listener here is of this sandbox, and the kernel says so.
listener = local()
listener.bind("/tmp/mine.sock")
listener.listen()
with local() as client:
    client.connect("/tmp/mine.sock")
    guest, _ = listener.accept()
    pid = int.from_bytes(guest.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)[:4], "little")
    if pid != os.getpid():
        breach("a guest of process", pid)
print("FALLEN" if fallen else "WALLED")
