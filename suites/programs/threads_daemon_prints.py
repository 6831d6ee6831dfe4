# a daemon thread that is blocked in a queue
import queue
import threading

jobs = queue.Queue()

def worker():
    while True:
        job = jobs.get()
        print("job", job)
        jobs.task_done()

threading.Thread(target=worker, daemon=True).start()
for number in range(5):
    jobs.put(number)
jobs.join()
print("all done")
