#! class: truth
#! attack: kill, stop and trace the process that made this one
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 5
#! expect success: false
#! expect stdout: alive
import os
import signal
import sys

for pid in {os.getppid(), 1} - {0}:
    for number in (signal.SIGSTOP, signal.SIGTERM, signal.SIGKILL, signal.SIGSEGV):
        try:
            os.kill(pid, number)
        except OSError:
            pass
print("alive")
sys.exit(5)
