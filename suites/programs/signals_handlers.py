# handlers, alarms and the default dispositions
import signal
import time

print(signal.getsignal(signal.SIGINT) is signal.default_int_handler, signal.getsignal(signal.SIGPIPE), signal.getsignal(signal.SIGTERM))
print(sorted(signal.pthread_sigmask(signal.SIG_BLOCK, [])))

def handler(number, frame):
    print("signal", signal.Signals(number).name, frame.f_code.co_name)

signal.signal(signal.SIGUSR1, handler)

def work():
    signal.raise_signal(signal.SIGUSR1)

work()

class Late(Exception):
    pass

def late(number, frame):
    raise Late

signal.signal(signal.SIGALRM, late)
signal.setitimer(signal.ITIMER_REAL, 0.02)
try:
    time.sleep(5)
except Late:
    print("alarm")
