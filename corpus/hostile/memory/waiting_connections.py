#! class: memory
#! attack: pile up memory in connections that nobody accepts, whose clients are gone: no descriptor holds them
#! validator: rejects
#! timeout: 20
#! expect kind: out_of_memory
#! expect success: false
#! expect exit_code: 137
#! expect stdout-lacks: all kept
import socket

listeners, kept = [], 0
piece = bytes(65536)
for number in range(400):
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(f"/tmp/{number}")
    listener.listen(4096)
    listeners.append(listener)
    while True:
        client = socket.socket(socket.AF_UNIX)
        client.setblocking(False)
        try:
            client.connect(f"/tmp/{number}")
        except BlockingIOError:
            break
        try:
            while True:
                kept += client.send(piece)
        except BlockingIOError:
            pass
        client.close()
    print(number, kept >> 20, "MiB", flush=True)
    if kept > 1 << 30:
        break
print("all kept")
