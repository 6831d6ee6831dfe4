#! class: process
#! attack: fork without end and try again after every refusal, in new sessions, with all signals ignored
#! validator: rejects
#! timeout: 3
#! expect kind: timeout, process_limit, out_of_memory
#! expect success: false
#! expect within: 10
import os
import signal

for number in signal.valid_signals():
    try:
        signal.signal(number, signal.SIG_IGN)
    except (OSError, ValueError):
        pass
while True:
    try:
        if os.fork() == 0:
            os.setsid()
    except OSError:
        pass
