#! class: process
#! attack: start threads until the first refusal
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 8
#! expect kind: process_limit, exited
#! expect success: false
#! expect within: 14
#! expect stderr-contains: can't start new thread
import threading
import time

while True:
    threading.Thread(target=time.sleep, args=(60,), daemon=True).start()
