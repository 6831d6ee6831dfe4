#! class: leftover
#! attack: a child that is stopped, and one that is traced by nobody, so that they answer no polite signal
#! validator: rejects
#! expect within: 6
#! expect stdout: done
import os
import signal
import time

for _ in range(3):
    child = os.fork()
    if child == 0:
        os.setsid()
        while True:
            time.sleep(100)
    time.sleep(0.05)
    os.kill(child, signal.SIGSTOP)
print("done", flush=True)
os._exit(0)
