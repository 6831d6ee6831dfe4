#! forbidden: off
#! timeout: 20
import asyncio
import os
import socket
import socketserver
import tempfile
import threading
from multiprocessing import Process
from multiprocessing.connection import Client, Listener


async def echo():
    async def serve(reader, writer):
        while line := await reader.readline():
            writer.write(line[::-1])
            await writer.drain()
        writer.close()

    async with await asyncio.start_unix_server(serve, "/tmp/echo.sock"):
        reader, writer = await asyncio.open_unix_connection("/tmp/echo.sock")
        writer.write(b"one\ntwo\n")
        writer.write_eof()
        print(await reader.read())
        writer.close()
    if os.path.exists("/tmp/echo.sock"):
        os.unlink("/tmp/echo.sock")


class Adder(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(b"%d\n" % sum(map(int, line.split())))


def ask(address):
    with Client(address, authkey=b"secret") as connection:
        connection.send({"numbers": [1, 2, 3]})
        print(connection.recv(), flush=True)


if __name__ == "__main__":
    asyncio.run(echo())
    with tempfile.TemporaryDirectory() as directory:
        path = os.path.join(directory, "adder")
        with socketserver.ThreadingUnixStreamServer(path, Adder) as server:
            threading.Thread(target=server.serve_forever).start()
            with socket.socket(socket.AF_UNIX) as client:
                client.connect(path)
                client.sendall(b"1 2 3\n4 5\n")
                client.shutdown(socket.SHUT_WR)
                print(client.makefile().read().split(), client.getpeername() == path)
            server.shutdown()
    with Listener(family="AF_UNIX", authkey=b"secret") as listener:
        process = Process(target=ask, args=(listener.address,))
        process.start()
        with listener.accept() as connection:
            connection.send(sum(connection.recv()["numbers"]))
        process.join()
    left, right = socket.socketpair()
    read, write = os.pipe()
    socket.send_fds(left, [b"pipe"], [write])
    message, descriptors, *_ = socket.recv_fds(right, 16, 1)
    os.write(descriptors[0], b"passed on")
    print(message, os.read(read, 16))
