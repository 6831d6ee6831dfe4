#! class: network
#! attack: open connections, servers and datagrams with asyncio, which the validator lets pass
#! validator: accepts
#! timeout: 20
#! expect stdout: WALLED
import asyncio


async def main():
    loop = asyncio.get_running_loop()
    fallen = False
    for name, reach in {
        "connect": lambda: asyncio.open_connection("127.0.0.1", 8000),
        "connect far": lambda: asyncio.open_connection("1.1.1.1", 80),
        "serve": lambda: asyncio.start_server(lambda r, w: None, "127.0.0.1", 0),
        "serve unix": lambda: asyncio.start_unix_server(lambda r, w: None, "/run/served.sock"),
        "connect unix": lambda: asyncio.open_unix_connection("/run/docker.sock"),
        "connect unix by name": lambda: asyncio.open_unix_connection("\0python-sandbox-canary"),
        "connect unix by path": lambda: asyncio.open_unix_connection("/tmp/python-sandbox-canary.sock"),
        "datagram": lambda: loop.create_datagram_endpoint(asyncio.DatagramProtocol, remote_addr=("127.0.0.1", 53)),
        "resolve": lambda: loop.getaddrinfo("example.org", 80),
    }.items():
        try:
            made = await asyncio.wait_for(reach(), 1)
        except Exception:
            continue
        # asyncio skips a family that the system refuses, and then serves on no socket at all.
        if isinstance(made, asyncio.Server) and not made.sockets:
            continue
        fallen = True
        print("BREACH", name)
    print("FALLEN" if fallen else "WALLED")


asyncio.run(main())
