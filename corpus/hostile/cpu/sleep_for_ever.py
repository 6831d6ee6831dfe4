#! class: cpu
#! attack: use no processor time at all, and never end: the wall clock counts
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
import time

print("sleeping", flush=True)
while True:
    time.sleep(3600)
