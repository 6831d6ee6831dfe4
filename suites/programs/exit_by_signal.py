# the program kills itself
import os
import signal

print("before", flush=True)
print("buffered")
os.kill(os.getpid(), signal.SIGTERM)
print("after")
