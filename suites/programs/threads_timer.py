# timers, barriers and conditions
import threading

barrier = threading.Barrier(3)
seen = []

def meet(number):
    seen.append(barrier.wait() >= 0)

threads = [threading.Thread(target=meet, args=(n,)) for n in range(3)]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
print(seen)
timer = threading.Timer(0.05, print, ["timer fired"])
timer.start()
cancelled = threading.Timer(10, print, ["never"])
cancelled.start()
cancelled.cancel()
print(threading.active_count() >= 2, threading.main_thread().name)
