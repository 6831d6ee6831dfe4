#! class: cpu
#! attack: spend the time in the kernel: cheap calls, page faults and context switches without end
#! validator: rejects
#! timeout: 3
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 9
import mmap
import os

for _ in range(7):
    if os.fork() == 0:
        break
while True:
    os.getppid()
    os.stat("/tmp")
    os.sched_yield()
    area = mmap.mmap(-1, 1 << 20)
    for offset in range(0, 1 << 20, 4096):
        area[offset] = 1
    area.close()
