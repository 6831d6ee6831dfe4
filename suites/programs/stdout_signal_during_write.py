# a timer fires while much is written
import signal

count = 0

def tick(*_):
    global count
    count += 1

signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
for i in range(6):
    print("x" * 500_000)
signal.setitimer(signal.ITIMER_REAL, 0)
