#! class: truth
#! attack: close all three streams and go on: the end of a pipe is not the end of the program
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 4
#! expect success: false
#! expect stdout: before
import os
import time

print("before", flush=True)
for number in (0, 1, 2):
    os.close(number)
time.sleep(0.5)
os._exit(4)
