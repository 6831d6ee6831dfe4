#! class: network
#! attack: the C module below socket, and posix beside it, are on no default list of forbidden imports
#! validator: accepts
#! expect stdout: WALLED
import _socket

fallen = False
# A local stream is allowed, and leads nowhere.
for name in ("\0python-sandbox-canary", "/tmp/python-sandbox-canary.sock", "/run/docker.sock"):
    try:
        _socket.socket(_socket.AF_UNIX, _socket.SOCK_STREAM).connect(name)
    except OSError:
        continue
    fallen = True
    print("BREACH", ascii(name))
for family in (_socket.AF_UNIX, _socket.AF_INET, _socket.AF_INET6, _socket.AF_NETLINK, _socket.AF_PACKET):
    for kind in (_socket.SOCK_STREAM, _socket.SOCK_DGRAM, _socket.SOCK_RAW, _socket.SOCK_SEQPACKET):
        if (family, kind) == (_socket.AF_UNIX, _socket.SOCK_STREAM):
            continue
        try:
            _socket.socket(family, kind)
        except OSError:
            continue
        fallen = True
        print("BREACH", family, kind)
print("FALLEN" if fallen else "WALLED")
