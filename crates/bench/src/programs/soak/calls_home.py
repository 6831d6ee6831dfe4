import socket

try:
    socket.create_connection(("1.1.1.1", 80), timeout=1)
    print("connected")
except OSError:
    print("refused")
