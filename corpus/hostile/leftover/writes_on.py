#! class: leftover
#! attack: a background child floods stdout and a file after the program has ended
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 0
#! expect within: 8
#! expect artifacts: any
#! expect stdout-contains: main is done
import os

print("main is done", flush=True)
if os.fork() == 0:
    os.setsid()
    handle = os.open("flood.bin", os.O_CREAT | os.O_WRONLY)
    while True:
        os.write(1, b"still here\n")
        os.pwrite(handle, b"still here\n" * 100, 0)
os._exit(0)
