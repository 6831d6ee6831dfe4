#! class: disk
#! attack: write to /tmp until there is no room
#! validator: accepts
#! timeout: 20
#! expect kind: disk_limit, exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: OSError
#! expect stdout-lacks: 256 MiB
block = bytes(1 << 20)
number = 0
while True:
    number += 1
    with open(f"/tmp/fill{number}.bin", "wb") as handle:
        handle.write(block)
    if number % 16 == 0:
        print(number, "MiB", flush=True)
