#! class: truth
#! attack: stop the whole process group, children and all, and every process it may signal
#! validator: rejects
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
#! expect stdout: before
import os
import signal
import time

print("before", flush=True)
for _ in range(3):
    if os.fork() == 0:
        while True:
            time.sleep(1)
try:
    os.kill(-1, signal.SIGSTOP)
except OSError:
    pass
os.kill(0, signal.SIGSTOP)
print("after")
