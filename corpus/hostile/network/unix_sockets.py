#! class: network
#! attack: connect to a socket of Docker, of systemd, of the service or of another sandbox, by path and by abstract name
#! validator: rejects
#! expect stdout: WALLED
import os
import socket

fallen = False
names = ["/var/run/docker.sock", "/run/docker.sock", "/run/containerd/containerd.sock", "/run/systemd/private", "/run/systemd/notify",
         "/run/dbus/system_bus_socket", "/dev/log", "/run/systemd/journal/socket", "/tmp/.X11-unix/X0", "/tmp/firecracker",
         "\0python-sandbox-canary", "\0/tmp/.X11-unix/X0", "\0sandbox-rendezvous"]
for name in names:
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_SEQPACKET):
        for act in ("connect", "bind"):
            if act == "bind" and name[0] != "\0":
                continue
            try:
                getattr(socket.socket(socket.AF_UNIX, kind), act)(name)
            except OSError:
                continue
            fallen = True
            print("BREACH", act, ascii(name))
for root, folders, files in os.walk("/", onerror=lambda error: None):
    if root == "/":
        folders[:] = [f for f in folders if f not in ("proc", "sys", "usr", "lib", "lib64", "opt")]
    for name in files:
        if os.path.stat.S_ISSOCK(os.lstat(os.path.join(root, name)).st_mode):
            fallen = True
            print("BREACH a socket at", os.path.join(root, name))
if os.path.exists("/proc/net/unix") and len(open("/proc/net/unix").readlines()) > 1:
    fallen = True
    print("BREACH /proc/net/unix lists sockets")
print("FALLEN" if fallen else "WALLED")
