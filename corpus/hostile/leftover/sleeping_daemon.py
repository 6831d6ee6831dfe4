#! class: leftover
#! attack: a daemon by the book: fork, setsid, fork, streams closed, directory changed; it would live for ever
#! validator: rejects
#! expect within: 6
#! expect stdout: done
import os
import signal
import time

if os.fork() == 0:
    os.setsid()
    for number in signal.valid_signals():
        try:
            signal.signal(number, signal.SIG_IGN)
        except (OSError, ValueError):
            pass
    if os.fork() == 0:
        os.chdir("/")
        for descriptor in range(16):
            try:
                os.close(descriptor)
            except OSError:
                pass
        while True:
            time.sleep(1000)
    os._exit(0)
os.wait()
print("done")
