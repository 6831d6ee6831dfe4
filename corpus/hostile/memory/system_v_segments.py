#! class: memory
#! attack: System V shared memory, which outlives the process that made it
#! validator: rejects
#! timeout: 20
#! expect kind: exited, out_of_memory
#! expect stdout-lacks: BREACH
import ctypes

libc = ctypes.CDLL(None, use_errno=True)
libc.shmat.restype = ctypes.c_void_p
total = 0
for number in range(100):
    segment = libc.shmget(0x5AFF0000 + number, 8 << 20, 0o1600)
    if segment < 0:
        break
    address = libc.shmat(segment, None, 0)
    if address in (None, ctypes.c_void_p(-1).value):
        break
    ctypes.memset(address, 1, 8 << 20)
    total += 8
if total > 200:
    print("BREACH holds", total, "MiB")
else:
    print("WALLED")
