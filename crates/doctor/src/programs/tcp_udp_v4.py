import socket
def tcp(host, port):
    socket.create_connection((host, port), 2)
def udp():
    s = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    s.settimeout(2)
    s.connect(("192.0.2.1", 9))
    s.send(b"x")
must_fail([("TCP to the host's loopback", lambda: tcp("127.0.0.1", int(parameter("PORT_V4")))),
           ("TCP to an outside address", lambda: tcp("192.0.2.1", 80)), ("UDP", udp)])
