#! class: network
#! attack: connect to the service itself, the host's addresses, the cloud metadata address and the internet
#! validator: rejects
#! timeout: 20
#! expect stdout: WALLED
import socket

fallen = False
targets = [("127.0.0.1", 8000), ("127.0.0.1", 22), ("::1", 8000), ("169.254.169.254", 80), ("172.17.0.1", 2375), ("10.0.2.2", 80),
           ("192.168.0.1", 80), ("1.1.1.1", 53), ("8.8.8.8", 443), ("2606:4700:4700::1111", 53), ("fe80::1", 80), ("0.0.0.0", 8000)]
for address, port in targets:
    try:
        connection = socket.create_connection((address, port), timeout=1)
        connection.close()
    except OSError:
        continue
    fallen = True
    print("BREACH connected to", address, port)
for address, port in targets:
    try:
        datagram = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
        datagram.sendto(b"probe", (address, port))
    except OSError:
        continue
    fallen = True
    print("BREACH sent a datagram to", address, port)
for bound in (("0.0.0.0", 0), ("127.0.0.1", 0)):
    try:
        listener = socket.create_server(bound)
    except OSError:
        continue
    fallen = True
    print("BREACH listens on", listener.getsockname())
print("FALLEN" if fallen else "WALLED")
