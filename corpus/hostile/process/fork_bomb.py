#! class: process
#! attack: fork without end until the first refusal
#! validator: rejects
#! timeout: 5
#! expect kind: process_limit, exited, timeout, out_of_memory
#! expect success: false
#! expect within: 12
import os

while True:
    os.fork()
