#! class: cpu
#! attack: busy loops in thirty processes, each with the best priority it can get and on every processor
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 3
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 9
import os

try:
    for _ in range(30):
        if os.fork() == 0:
            break
except OSError:
    pass
for action in (
    lambda: os.setsid(),
    lambda: os.nice(-20),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(99)),
    lambda: os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0)),
    lambda: os.sched_setaffinity(0, range(1024)),
):
    try:
        action()
    except OSError:
        pass
while True:
    pass
