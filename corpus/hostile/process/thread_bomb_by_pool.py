#! class: process
#! attack: the same through concurrent.futures and _thread, which the validator lets pass
#! validator: accepts
#! timeout: 8
#! expect kind: process_limit, exited, timeout
#! expect success: false
#! expect within: 15
import _thread
import time

for _ in range(10000):
    _thread.start_new_thread(time.sleep, (60,))
