#! class: artifact
#! attack: a socket in the output, made by bind, by mknod or from a socketpair
#! validator: rejects
#! expect within: 12
#! expect artifacts: good.txt
#! expect skipped: bound.sock=socket
#! expect stdout: done
import os
import socket
import stat

with open("good.txt", "w") as handle:
    handle.write("mine\n")
try:
    socket.socket(socket.AF_UNIX).bind("bound.sock")
except OSError:
    pass
try:
    left, right = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
    left.bind("pair.sock")
except OSError:
    pass
try:
    os.mknod("made.sock", stat.S_IFSOCK | 0o777)
except OSError:
    pass
print("done")
