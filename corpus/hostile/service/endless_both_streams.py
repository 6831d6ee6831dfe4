#! class: service
#! attack: write to both streams without end, from several processes
#! validator: rejects
#! timeout: 3
#! expect kind: timeout, output_limit
#! expect success: false
#! expect within: 10
#! expect stdout-truncated: true
#! expect stderr-truncated: true
import os

block = b"0123456789abcde\n" * 4096
for _ in range(3):
    if os.fork() == 0:
        break
while True:
    os.write(1, block)
    os.write(2, block)
