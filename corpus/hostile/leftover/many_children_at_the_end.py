#! class: leftover
#! attack: end at the very moment when dozens of children are being made
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 5
#! expect kind: exited, process_limit
#! expect exit_code: 0
#! expect within: 11
import os
import time

if os.fork() == 0:
    os.setsid()
    while True:
        try:
            if os.fork() == 0 and os.fork() == 0:
                time.sleep(1000)
        except OSError:
            pass
time.sleep(0.3)
os._exit(0)
