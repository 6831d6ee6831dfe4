#! class: process
#! attack: children that end and are never waited for keep their places in the process table
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 10
#! expect stdout: WALLED
import os

made = 0
try:
    for _ in range(5000):
        if os.fork() == 0:
            os._exit(0)
        made += 1
except OSError:
    pass
print("WALLED" if made < 200 else f"BREACH {made} zombies")
