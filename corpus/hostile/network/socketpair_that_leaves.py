#! class: network
#! attack: turn an allowed socketpair of datagrams into a socket that reaches others: connect, sendto, bind, passed descriptors
#! validator: rejects
#! expect stdout: WALLED
import array
import socket

fallen = False
for kind in (socket.SOCK_DGRAM, socket.SOCK_STREAM, socket.SOCK_SEQPACKET):
    for name in ("\0python-sandbox-canary", "/run/docker.sock", "/run/systemd/notify", "/dev/log", "/run/systemd/journal/socket", "/run/systemd/journal/dev-log"):
        try:
            left, right = socket.socketpair(socket.AF_UNIX, kind)
        except OSError:
            continue
        for act in (lambda: left.connect(name), lambda: left.sendto(b"probe", name), lambda: left.sendmsg([b"x"], [], 0, name)):
            try:
                act()
                # A pair of packets takes an address, ignores it and delivers to its other end.
                if right.recv(16, socket.MSG_DONTWAIT):
                    continue
            except BlockingIOError:
                pass
            except OSError:
                continue
            fallen = True
            print("BREACH", kind, ascii(name))
for family in (socket.AF_INET, socket.AF_INET6, 16, 17, 30, 40):
    try:
        socket.socketpair(family, socket.SOCK_STREAM)
    except (OSError, ValueError):
        continue
    fallen = True
    print("BREACH a pair of family", family)
# The credentials that a socket carries must be our own and cannot be forged.
left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
right.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
try:
    left.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, array.array("i", [1, 0, 0]).tobytes())])
    fallen = True
    print("BREACH forged credentials")
except OSError:
    pass
print("FALLEN" if fallen else "WALLED")
