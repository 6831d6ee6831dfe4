#! class: disk
#! attack: keep data in extended attributes, which no file size shows
#! validator: rejects
#! timeout: 20
#! expect kind: exited, out_of_memory, disk_limit
#! expect stdout-lacks: BREACH
import os

total = 0
value = bytes(60000)
try:
    for number in range(100000):
        path = f"/tmp/attributes{number}"
        os.close(os.open(path, os.O_CREAT | os.O_WRONLY))
        try:
            for part in range(64):
                os.setxattr(path, f"user.part{part}", value)
                total += len(value)
        except OSError:
            if not total:
                break
        if total > 256 << 20:
            break
except OSError:
    pass
print("WALLED" if total <= 256 << 20 else f"BREACH keeps {total >> 20} MiB")
