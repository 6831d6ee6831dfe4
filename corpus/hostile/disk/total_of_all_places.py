#! class: disk
#! attack: add up what can be written in all places together
#! validator: rejects
#! timeout: 20
#! expect stdout: WALLED
import os

block = bytes(1 << 16)
total = 0
for number, folder in enumerate(("/tmp", "/tmp/output", "/dev/shm", "/var/tmp", "/run", "/run/lock", "/dev", "/", os.path.expanduser("~"), "/proc/self/cwd")):
    try:
        with open(f"{folder}/fill{number}", "wb", buffering=0) as handle:
            for _ in range(1 << 14):
                total += handle.write(block)
    except OSError:
        pass
    if total > 160 << 20:
        break
for folder in ("/tmp", "/tmp/output"):
    for name in os.listdir(folder):
        if name.startswith("fill"):
            os.unlink(os.path.join(folder, name))
print("WALLED" if total <= 80 << 20 else f"BREACH wrote {total >> 20} MiB")
