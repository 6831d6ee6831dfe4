#! class: service
#! attack: random bytes on both streams
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-truncated: true
import secrets

with open(1, "wb", closefd=False) as out, open(2, "wb", closefd=False) as err:
    for _ in range(16):
        out.write(secrets.token_bytes(4096))
        err.write(secrets.token_bytes(4096))
