#! class: truth
#! attack: the program ends while a twice forked child holds its pipes and goes on
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect within: 6
#! expect stdout: parent is done
import os
import time

if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        for _ in range(300):
            time.sleep(1)
            print("child lives", flush=True)
    os._exit(0)
os.wait()
print("parent is done", flush=True)
