#! class: service
#! attack: a character of four bytes lies across the cap: the cut must not leave half of it
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-truncated: true
#! expect stdout-lacks: \ufffd
#! expect stdout-contains: xxxx
with open(1, "wb", closefd=False) as out:
    out.write(b"x" * 10238 + "\U0001f600".encode() * 10)
