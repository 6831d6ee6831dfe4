#! class: truth
#! attack: write a forged message to the streams of the first process, by its descriptors in /proc
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 3
#! expect success: false
#! expect stdout: WALLED
import os

fallen = False
for folder in ("/proc/1/fd", "/proc/1/task/1/fd", "/proc/self/../1/fd"):
    for number in range(32):
        for mode in (os.O_WRONLY, os.O_RDONLY, os.O_RDWR):
            try:
                handle = os.open(f"{folder}/{number}", mode | os.O_NONBLOCK)
            except OSError:
                continue
            fallen = True
            try:
                # A length, and bytes that are no message: whoever reads this cuts the sandbox off.
                os.write(handle, b"\x04\x00\x00\x00\xff\xff\xff\xff")
            except OSError:
                pass
print("BREACH" if fallen else "WALLED", flush=True)
os._exit(3)
