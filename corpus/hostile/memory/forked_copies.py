#! class: memory
#! attack: many children, each with its own copy of a buffer that alone is within the limit
#! validator: rejects
#! timeout: 20
#! expect kind: out_of_memory, signal, exited
#! expect success: false
#! expect stdout-lacks: all lived
import os
import sys
import time

data = bytearray(30 << 20)
children = []
for number in range(20):
    child = os.fork()
    if child == 0:
        for offset in range(0, len(data), 4096):
            data[offset] = number
        time.sleep(3)
        os._exit(0)
    children.append(child)
failed = sum(os.waitpid(child, 0)[1] != 0 for child in children)
if failed:
    sys.exit(f"{failed} children were killed")
print("all lived")
