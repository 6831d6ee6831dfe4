#! class: service
#! attack: one line of ten gigabytes
#! validator: accepts
#! timeout: 3
#! expect kind: timeout, output_limit, exited
#! expect within: 10
#! expect stdout-truncated: true
with open(1, "wb", buffering=0, closefd=False) as out:
    block = b"x" * (1 << 16)
    for _ in range(10 << 14):
        out.write(block)
