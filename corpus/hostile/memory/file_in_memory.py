#! class: memory
#! attack: memfd_create: a file that is in no directory and on no disk
#! validator: rejects
#! timeout: 20
#! expect kind: out_of_memory, exited, disk_limit
#! expect success: false
#! expect stdout-lacks: kept
import os

block = bytes(range(256)) * 4096
held = []
for _ in range(8):
    handle = os.memfd_create("hidden")
    for _ in range(50):
        view = block
        while view:
            view = view[os.write(handle, view) :]
    held.append(handle)
print("kept", len(held))
