#! class: network
#! attack: the C module below socket, and posix beside it, are on no default list of forbidden imports
#! validator: accepts
#! expect stdout: WALLED
import _socket

fallen = False
for family in (_socket.AF_UNIX, _socket.AF_INET, _socket.AF_INET6, _socket.AF_NETLINK, _socket.AF_PACKET):
    for kind in (_socket.SOCK_STREAM, _socket.SOCK_DGRAM, _socket.SOCK_RAW, _socket.SOCK_SEQPACKET):
        try:
            _socket.socket(family, kind)
        except OSError:
            continue
        fallen = True
        print("BREACH", family, kind)
print("FALLEN" if fallen else "WALLED")
