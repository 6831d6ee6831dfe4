#! class: memory
#! attack: grow one buffer a little at a time, touching every page
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory
#! expect exit_code: 137
#! expect success: false
#! expect stdout-contains: 16 MiB
#! expect stdout-lacks: 512 MiB
data = bytearray()
block = bytes(range(256)) * 4096
while len(data) < 1 << 30:
    data += block
    if len(data) % (16 << 20) == 0:
        print(len(data) >> 20, "MiB", flush=True)
