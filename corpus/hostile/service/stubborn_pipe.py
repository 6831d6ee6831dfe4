#! class: service
#! attack: change the output pipe itself: not blocking, smallest size, largest size
#! validator: rejects
#! timeout: 5
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-contains: start
import fcntl
import os

os.write(1, b"start\n")
for size in (1, 4096, 1 << 20, 1 << 30):
    try:
        fcntl.fcntl(1, fcntl.F_SETPIPE_SZ, size)
    except OSError:
        pass
os.set_blocking(1, False)
try:
    for _ in range(10000):
        os.write(1, b"x" * 4096)
except BlockingIOError:
    pass
try:
    fcntl.fcntl(1, fcntl.F_SETFL, os.O_ASYNC | os.O_NONBLOCK)
except OSError:
    pass
os._exit(0)
