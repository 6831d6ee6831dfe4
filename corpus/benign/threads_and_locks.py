#! forbidden: off
import threading

counter, lock, ready = 0, threading.Lock(), threading.Barrier(8)


def add():
    global counter
    ready.wait()
    for _ in range(1000):
        with lock:
            counter += 1


threads = [threading.Thread(target=add) for _ in range(8)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(counter)
event = threading.Event()
timer = threading.Timer(0.02, event.set)
timer.start()
print(event.wait(5))
local = threading.local()
local.value = 1
print(local.value, threading.current_thread() is threading.main_thread())
