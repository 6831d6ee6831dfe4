#! class: memory
#! attack: threads with the largest stacks, all of them used
#! validator: rejects
#! timeout: 15
#! expect kind: process_limit, out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: all ran
import threading
import time

threading.stack_size(256 << 20)


def use():
    buffer = bytearray(8 << 20)
    time.sleep(3)
    return buffer


threads = [threading.Thread(target=use) for _ in range(100)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print("all ran")
