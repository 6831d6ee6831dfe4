import socket
must_fail([("cloud metadata", lambda: socket.create_connection(("169.254.169.254", 80), 2)),
           ("cloud metadata by UDP", lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(("169.254.169.254", 80)))])
