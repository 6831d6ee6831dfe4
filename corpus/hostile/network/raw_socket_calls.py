#! class: network
#! attack: the system calls themselves: socket, connect, bind, with high bits set in the arguments
#! validator: rejects
#! expect stdout: WALLED
import ctypes
import platform
import socket

NUMBERS = {"x86_64": {"socket": 41, "connect": 42, "bind": 49, "listen": 50, "accept4": 288, "socketpair": 53},
           "aarch64": {"socket": 198, "connect": 203, "bind": 200, "listen": 201, "accept4": 242, "socketpair": 199}}.get(platform.machine())
libc = ctypes.CDLL(None, use_errno=True)
libc.syscall.restype = ctypes.c_long
HIGH = 1 << 32
fallen = False


def call(name, *arguments):
    return libc.syscall(*(ctypes.c_long(a) for a in (NUMBERS[name], *arguments)))


if NUMBERS:
    for family in (1, 2, 10, 16, 17, 38, 40, 44):
        for kind in (1, 2, 3, 5, 1 | 0o2000000):
            for high in (0, HIGH, HIGH << 20, -HIGH):
                if (family, kind & 0xF) == (1, 1):
                    # A local stream, which reaches nobody else; with a protocol it is another thing.
                    if call("socket", family + high, kind, 1 + high) >= 0:
                        fallen = True
                        print("BREACH a protocol", hex(high))
                    continue
                if call("socket", family + high, kind, 0) >= 0:
                    fallen = True
                    print("BREACH socket", family, kind, hex(high))
                if call("socket", family, kind + high, 0) >= 0:
                    fallen = True
                    print("BREACH socket kind", family, kind, hex(high))
    pair = (ctypes.c_int * 2)()
    for family in (2, 10, 30, 2 + HIGH, 30 + HIGH):
        if call("socketpair", family, 1, 0, ctypes.addressof(pair)) == 0:
            fallen = True
            print("BREACH socketpair", family)
    # Addresses of other families on a local socket: an int of family, then whatever.
    for family in (2, 10, 16, 17, 40):
        for name in ("connect", "bind"):
            local = socket.socket(socket.AF_UNIX)
            address = ctypes.create_string_buffer(bytes([family, 0, 0x1F, 0x40, 127, 0, 0, 1]).ljust(28, b"\0"), 28)
            if call(name, local.fileno(), ctypes.addressof(address), 28) == 0:
                fallen = True
                print("BREACH", name, family)
print("FALLEN" if fallen else "WALLED")
