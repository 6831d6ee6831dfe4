import socket
must_fail([("lookup of a name", lambda: socket.getaddrinfo("example.com", 80)),
           ("lookup of another", lambda: socket.gethostbyname("metadata.google.internal"))])
