#! class: process
#! attack: start programs by vfork in a loop and never wait for them
#! executors: native, docker, kata
#! validator: rejects
#! timeout: 6
#! expect kind: process_limit, exited, timeout, out_of_memory
#! expect success: false
#! expect within: 13
import subprocess
import sys

held = []
while True:
    held.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]))
