# an executor that is not shut down
from concurrent.futures import ThreadPoolExecutor
import threading
import time

local = threading.local()

def work(number):
    local.count = getattr(local, "count", 0) + 1
    time.sleep(0.01)
    return number * number

pool = ThreadPoolExecutor(2, thread_name_prefix="w")
futures = [pool.submit(work, n) for n in range(6)]
print(sum(f.result() for f in futures))
pool.submit(lambda: (time.sleep(0.05), print("last job")))
