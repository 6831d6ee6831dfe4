#! class: service
#! attack: hundreds of thousands of writes of a few bytes
#! validator: accepts
#! timeout: 30
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout-truncated: true
#! expect stdout-contains: 1234
with open(1, "wb", buffering=0, closefd=False) as out:
    for number in range(200_000):
        out.write(b"%d\n" % number)
