#! class: memory
#! attack: fill /tmp and then the heap: files in memory count as memory
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory, disk_limit
#! expect success: false
#! expect stdout-lacks: both
from pathlib import Path

block = bytes(range(256)) * 256
with Path("/tmp/fill.bin").open("wb") as handle:
    for _ in range(56 * 16):
        handle.write(block)
print("filled", flush=True)
heap = bytearray()
while len(heap) < 110 << 20:
    heap += block * 16
print("both", len(heap))
