#! class: truth
#! attack: the program fails while a child ends well: the answer is the program's own
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 9
#! expect success: false
#! expect within: 6
import os
import time

if os.fork() == 0:
    time.sleep(0.3)
    os._exit(0)
os._exit(9)
