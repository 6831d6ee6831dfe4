#! class: kernel
#! attack: raw system calls with the validator on: numpy brings ctypes along
#! validator: accepts
#! expect stdout: WALLED
import platform

import numpy as np

foreign = vars(np.ctypeslib)["sepytc"[::-1]]
library = foreign.CDLL(None, use_errno=True)
library.syscall.restype = foreign.c_long
numbers = {"x86_64": (165, 272, 101, 41, 425, 161), "aarch64": (40, 97, 117, 198, 425, 51)}.get(platform.machine(), ())
arguments = ((b"none", b"/tmp", b"tmpfs", 0, 0), (0x10000000,), (0, 0, 0, 0), (2, 1, 0), (4, bytes(120)), (b"/tmp",))
fallen = False
for number, given in zip(numbers, arguments):
    if library.syscall(foreign.c_long(number), *(a if isinstance(a, bytes) else foreign.c_long(a) for a in given)) >= 0:
        fallen = True
        print("BREACH", number)
print("FALLEN" if fallen else "WALLED")
