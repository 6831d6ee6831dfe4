#! class: service
#! attack: exactly as much as the cap: nothing is dropped, nothing is marked
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-truncated: false
#! expect stderr-truncated: false
with open(1, "wb", closefd=False) as out, open(2, "wb", closefd=False) as err:
    out.write(b"o" * 10240)
    err.write(b"e" * 10240)
