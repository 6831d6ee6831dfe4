#! class: disk
#! attack: one output file that grows until there is no room
#! validator: accepts
#! timeout: 20
#! expect kind: disk_limit, exited
#! expect exit_code: 1
#! expect success: false
#! expect skipped: grow.bin=too_large
#! expect stderr-contains: OSError
block = bytes(1 << 16)
with open("grow.bin", "wb", buffering=0) as handle:
    for _ in range(1 << 14):
        handle.write(block)
