# Families and types by number: Python may lack some names.
kinds = {"raw IP": (2, 3, 1), "packet": (17, 3, 0), "netlink": (16, 3, 0), "vsock": (40, 1, 0), "alg": (38, 5, 0),
         "bluetooth": (31, 3, 0), "can": (29, 3, 1), "xdp": (44, 3, 0), "tipc": (30, 1, 0)}
made = [name for name, arguments in kinds.items() if call("socket", *arguments) is None]
if made:
    broken("sockets made: " + ", ".join(made))
held(f"{len(kinds)} families refused")
