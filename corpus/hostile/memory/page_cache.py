#! class: memory
#! attack: read every library through the page cache and keep it mapped
#! validator: rejects
#! timeout: 25
#! expect kind: exited, out_of_memory
#! expect stdout-lacks: BREACH
import mmap
import os
import sys
import time

deadline = time.monotonic() + 8
held, total = [], 0
for root, folders, files in os.walk(os.path.dirname(os.__file__)):
    for name in files:
        if time.monotonic() > deadline:
            break
        try:
            with open(os.path.join(root, name), "rb") as handle:
                size = os.fstat(handle.fileno()).st_size
                if size:
                    view = mmap.mmap(handle.fileno(), size, prot=mmap.PROT_READ)
                    total += sum(view[o] & 0 for o in range(0, size, 4096)) + size
                    held.append(view)
        except OSError:
            pass
print("WALLED")
sys.stdout.flush()
os._exit(0)
