#! class: memory
#! attack: shared anonymous memory, which is nobody's and everybody's
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: touched all
import mmap

shared = mmap.mmap(-1, 400 << 20)
for offset in range(0, len(shared), 4096):
    shared[offset] = 1
print("touched all")
