#! class: service
#! attack: one byte more than the cap on each stream: dropped and marked, and the program lives
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-truncated: true
#! expect stderr-truncated: true
with open(1, "wb", closefd=False) as out, open(2, "wb", closefd=False) as err:
    out.write(b"o" * 10241)
    err.write(b"e" * 10241)
