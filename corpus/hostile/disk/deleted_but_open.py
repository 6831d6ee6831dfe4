#! class: disk
#! attack: files that are deleted while open keep their space, and no listing shows them
#! validator: rejects
#! timeout: 20
#! expect kind: exited, out_of_memory, disk_limit
#! expect stdout-lacks: BREACH
import os

held, total = [], 0
block = bytes(1 << 20)
try:
    while total < 200 << 20:
        path = f"/tmp/hidden{len(held)}"
        handle = os.open(path, os.O_CREAT | os.O_RDWR)
        os.unlink(path)
        held.append(handle)
        total += os.write(handle, block)
except OSError:
    pass
print("WALLED" if total <= 80 << 20 else f"BREACH hides {total >> 20} MiB")
