#! class: leftover
#! attack: end while a chain of processes runs, each the child of one that ends: whoever kills it comes as one is born
#! validator: rejects
#! timeout: 5
#! expect exit_code: 0
#! expect stdout: left
#! expect within: 8
import os
import time

if os.fork() == 0:
    os.setsid()
    while os.fork() == 0:
        pass
    os._exit(0)
time.sleep(0.3)
print("left", flush=True)
os._exit(0)
