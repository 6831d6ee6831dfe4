#! class: network
#! attack: resolve names: DNS as a road out
#! validator: rejects
#! timeout: 25
#! expect stdout: WALLED
import socket

fallen = False
for name, look in {
    "getaddrinfo": lambda: socket.getaddrinfo("secret.example.org", 80),
    "gethostbyname": lambda: socket.gethostbyname("secret.example.org"),
    "gethostbyaddr": lambda: socket.gethostbyaddr("1.1.1.1"),
    "getfqdn": lambda: None if socket.getfqdn("1.1.1.1") != "1.1.1.1" else 1 / 0,
    "to a server": lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).sendto(b"\0" * 12, ("8.8.8.8", 53)),
}.items():
    try:
        look()
    except (OSError, ZeroDivisionError):
        continue
    fallen = True
    print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
