#! class: memory
#! attack: fill the buffers of as many pipes and socket pairs as there can be
#! validator: rejects
#! timeout: 20
#! expect kind: exited, out_of_memory
#! expect stdout-lacks: BREACH
import fcntl
import os
import socket

held, total = [], 0
block = bytes(65536)
try:
    while total < 1 << 30:
        reader, writer = os.pipe()
        held += [reader, writer]
        try:
            fcntl.fcntl(writer, fcntl.F_SETPIPE_SZ, 1 << 20)
        except OSError:
            pass
        os.set_blocking(writer, False)
        try:
            while True:
                total += os.write(writer, block)
        except BlockingIOError:
            pass
except OSError:
    pass
for descriptor in held[:40]:
    os.close(descriptor)
pairs = []
try:
    while total < 1 << 30:
        left, right = socket.socketpair()
        pairs.append((left, right))
        left.setblocking(False)
        try:
            while True:
                total += left.send(block)
        except BlockingIOError:
            pass
except OSError:
    pass
# What is in a pipe counts as the sandbox's memory: more than the limit cannot be held.
print("WALLED" if total < 256 << 20 else f"BREACH holds {total >> 20} MiB in pipes")
