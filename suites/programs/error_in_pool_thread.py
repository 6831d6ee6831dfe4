# an exception that comes back through a future
from concurrent.futures import ThreadPoolExecutor, wait

def work(value):
    return 10 / value

with ThreadPoolExecutor(2) as pool:
    futures = [pool.submit(work, value) for value in (5, 0)]
    wait(futures)
    print(futures[0].result())
    futures[1].result()
