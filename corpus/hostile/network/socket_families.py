#! class: network
#! attack: open a socket of every family: IPv4, IPv6, unix, netlink, packet, vsock, bluetooth, crypto, SCTP, CAN, TIPC, XDP
#! validator: rejects
#! expect stdout: WALLED
import socket

kinds = {"stream": 1, "datagram": 2, "raw": 3, "rdm": 4, "seqpacket": 5}
families = {
    "unix": 1, "inet": 2, "ax25": 3, "ipx": 4, "appletalk": 5, "x25": 9, "inet6": 10, "netlink": 16, "packet": 17, "rds": 21,
    "llc": 26, "ib": 27, "can": 29, "tipc": 30, "bluetooth": 31, "rxrpc": 33, "phonet": 35, "alg": 38, "nfc": 39, "vsock": 40,
    "kcm": 41, "qipcrtr": 42, "smc": 43, "xdp": 44, "mctp": 45,
}  # fmt: skip
fallen = False
for family, number in families.items():
    for kind, code in kinds.items():
        for protocol in (0, 1, 6, 17, 132, 255):
            if (family, kind, protocol) == ("unix", "stream", 0):
                # Allowed within the sandbox; unix_sockets.py tries to leave with it.
                continue
            try:
                made = socket.socket(number, code, protocol)
            except OSError:
                continue
            fallen = True
            print("BREACH", family, kind, protocol)
            made.close()
            break
print("FALLEN" if fallen else "WALLED")
