import socket
def connect(kind, address, port):
    s = socket.socket(socket.AF_INET6, kind)
    s.settimeout(2)
    s.connect((address, port))
    s.send(b"x")
must_fail([("TCP to the host's loopback", lambda: connect(socket.SOCK_STREAM, "::1", int(parameter("PORT_V6")))),
           ("TCP to an outside address", lambda: connect(socket.SOCK_STREAM, "2001:db8::1", 80)),
           ("UDP", lambda: connect(socket.SOCK_DGRAM, "2001:db8::1", 9))])
