import socket
def connect(address):
    s = socket.socket(socket.AF_UNIX)
    s.settimeout(2)
    s.connect(address)
must_fail([("abstract socket of the host", lambda: connect("\0" + parameter("ABSTRACT"))),
           ("socket of the host by path", lambda: connect(parameter("UNIX"))),
           ("socket of Docker", lambda: connect("/var/run/docker.sock")),
           ("a socket outside of /tmp", lambda: socket.socket(socket.AF_UNIX).bind("/run/mine")),
           ("local datagrams, which need no connection", lambda: socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM))])
