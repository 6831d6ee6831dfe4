# signal is allowed: handlers and timers of the program are its own.
import signal
import time

seen = []
signal.signal(signal.SIGALRM, lambda number, frame: seen.append(signal.Signals(number).name))
signal.setitimer(signal.ITIMER_REAL, 0.02)
deadline = time.monotonic() + 2
while not seen and time.monotonic() < deadline:
    time.sleep(0.005)
print(seen)
signal.raise_signal(signal.SIGALRM)
print(seen, time.perf_counter() > 0, time.gmtime(0).tm_year)
