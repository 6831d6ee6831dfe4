#! class: cpu
#! attack: sockets by the thousand, each of whose ends has a thread of the kernel search, on nobody's account
#! validator: rejects
#! executors: native, docker, kata
#! timeout: 20
#! expect stdout: WALLED
#! expect within: 25
import array
import os
import socket
import time

# What may run at once, and how many a second after that, with some to spare.
AT_ONCE, A_SECOND, SPARE = 2048, 500, 200
LONG = 1.5


def send(over, *sockets):
    descriptors = array.array("i", [one.fileno() for one in sockets])
    over.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, descriptors)])


def by_pair():
    a, b = socket.socketpair()
    a.close()
    b.close()


def by_failed_connection():
    try:
        nowhere.connect("/tmp/nowhere")
    except OSError:
        pass


def by_socket():
    socket.socket(socket.AF_UNIX).close()


def in_cycles():
    a, b = socket.socketpair()
    try:
        send(a, a, b)
        send(b, a, b)
    except OSError:
        pass
    a.close()
    b.close()


# A cycle in flight, which each closed socket has the kernel look through.
kept = [socket.socketpair() for _ in range(100)]
for (a, b), (c, _) in zip(kept, kept[1:] + kept[:1]):
    send(c, a, b)
nowhere = socket.socket(socket.AF_UNIX)
fallen = False
begun, made = time.monotonic(), 0
for way in (by_pair, by_failed_connection, by_socket, in_cycles):
    until = time.monotonic() + LONG
    while time.monotonic() < until:
        way()
        made += 1
# Children share what there is.
reader, writer = os.pipe()
for _ in range(2):
    if os.fork() == 0:
        own, until = 0, time.monotonic() + LONG
        while time.monotonic() < until:
            by_pair()
            own += 1
        os.write(writer, b"%8d" % own)
        os._exit(0)
made += int(os.read(reader, 8)) + int(os.read(reader, 8))
if made > AT_ONCE + A_SECOND * (time.monotonic() - begun) + SPARE:
    fallen = True
    print("BREACH", made, "sockets in", time.monotonic() - begun, "s")
print("FALLEN" if fallen else "WALLED")
