# SIGINT to itself
import os
import signal

try:
    os.kill(os.getpid(), signal.SIGINT)
    print("not here")
except KeyboardInterrupt:
    print("interrupted")
signal.signal(signal.SIGINT, signal.SIG_IGN)
os.kill(os.getpid(), signal.SIGINT)
print("ignored")
