#! class: artifact
#! attack: a child goes on writing when the program has ended, so that the file changes while it is collected
#! validator: rejects
#! expect within: 12
#! expect artifacts: any
#! expect listed: growing.bin
#! expect stdout: done
import os
import time

with open("growing.bin", "wb") as handle:
    handle.write(b"start\n")
if os.fork() == 0:
    os.setsid()
    with open("growing.bin", "r+b") as handle:
        while True:
            handle.seek(0)
            handle.write(os.urandom(65536))
            handle.truncate(int(time.time() * 1000) % 500000)
time.sleep(0.1)
print("done", flush=True)
os._exit(0)
