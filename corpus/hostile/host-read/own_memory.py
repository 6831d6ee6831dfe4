#! class: host-read
#! attack: search this process's own memory for what its parent knew before the fork
#! validator: accepts
#! timeout: 30
#! expect stdout: WALLED
import binascii

# The whole needle must not be in this program's memory: the head is searched, the tail is known by its checksum.
HEAD = b"CANARY-"
TAIL = 0xCE3C9C68
fallen = False
for line in open("/proc/self/maps"):
    span, rights = line.split()[:2]
    name = line.split()[-1]
    if "r" not in rights or name in ("[vvar]", "[vsyscall]", "[vvar_vclock]"):
        continue
    start, end = (int(part, 16) for part in span.split("-"))
    if end - start > 1 << 30:
        continue
    try:
        with open("/proc/self/mem", "rb", buffering=0) as memory:
            memory.seek(start)
            left = end - start
            while left:
                block = memory.read(min(left, 1 << 20))
                if not block:
                    break
                left -= len(block)
                at = block.find(HEAD)
                while at >= 0:
                    tail = block[at + 7 : at + 11]
                    if len(tail) == 4 and binascii.crc32(tail) == TAIL:
                        fallen = True
                        print("BREACH in", name, rights)
                        break
                    at = block.find(HEAD, at + 1)
    except (OSError, ValueError):
        continue
print("FALLEN" if fallen else "WALLED")
