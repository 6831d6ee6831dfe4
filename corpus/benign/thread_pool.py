import concurrent.futures
import queue
import time


def work(n):
    time.sleep(0.01)
    return n * n


with concurrent.futures.ThreadPoolExecutor(max_workers=4) as pool:
    print(list(pool.map(work, range(10))))
    futures = {pool.submit(work, n): n for n in range(5)}
    print(sorted(futures[f] for f in concurrent.futures.as_completed(futures)))
    failing = pool.submit(lambda: 1 / 0)
    print(type(failing.exception()).__name__)
    slow = pool.submit(time.sleep, 0.2)
    try:
        slow.result(timeout=0.01)
    except concurrent.futures.TimeoutError:
        print("not yet")
box = queue.Queue()
with concurrent.futures.ThreadPoolExecutor(2) as pool:
    pool.submit(lambda: [box.put(i) for i in range(3)])
    print([box.get(timeout=5) for _ in range(3)])
