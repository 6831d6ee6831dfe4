#! forbidden: off
#! timeout: 20
import multiprocessing
from multiprocessing.managers import BaseManager


class Counter:
    def __init__(self):
        self.value = 0

    def add(self, n):
        self.value += n
        return self.value


class Counters(BaseManager):
    pass


Counters.register("Counter", Counter)


def work(shared, items, lock, n):
    with lock:
        shared[n] = n * n
        items.append(n)


if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        shared, items, lock = manager.dict(), manager.list(), manager.Lock()
        workers = [multiprocessing.Process(target=work, args=(shared, items, lock, n)) for n in range(4)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()
        print(sorted(shared.items()), sorted(items), [worker.exitcode for worker in workers])
        queue = manager.Queue()
        with multiprocessing.Pool(2) as pool:
            pool.map(queue.put, range(5))
        print(sorted(queue.get() for _ in range(5)))
        namespace = manager.Namespace(x=1)
        namespace.x += 1
        print(namespace.x)
    with Counters() as counters:
        counter = counters.Counter()
        print(counter.add(2), counter.add(3))
