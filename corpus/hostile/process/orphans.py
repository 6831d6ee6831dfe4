#! class: process
#! attack: children that outlive their parents, in sessions of their own, as many as there is room for
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 10
#! expect within: 10
#! expect stdout: WALLED
import os
import time

made = 0
try:
    for _ in range(2000):
        reader, writer = os.pipe()
        child = os.fork()
        if child == 0:
            try:
                os.setsid()
                if os.fork() == 0:
                    os.write(writer, b"x")
                    os.close(1)
                    os.close(2)
                    time.sleep(600)
            finally:
                os._exit(0)
        os.close(writer)
        os.waitpid(child, 0)
        if not os.read(reader, 1):
            break
        os.close(reader)
        made += 1
except OSError:
    pass
os.write(1, b"WALLED\n" if made < 200 else b"BREACH %d orphans\n" % made)
os._exit(0)
