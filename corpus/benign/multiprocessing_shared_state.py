#! forbidden: off
#! timeout: 20
import multiprocessing
from multiprocessing import Array, Barrier, Condition, Event, JoinableQueue, Process, Queue, Semaphore, SimpleQueue, Value, shared_memory

WIDTH = 3


def fill(name, n, done):
    memory = shared_memory.SharedMemory(name)
    with memory.buf.cast("q") as numbers:
        for column in range(WIDTH):
            numbers[n * WIDTH + column] = n * 10 + column
    memory.close()
    done.put(n)


def count(total, squares, gate, n):
    gate.wait()
    for _ in range(100):
        with total.get_lock():
            total.value += 1
    squares[n] = n * n


def consume(tasks, results):
    for task in iter(tasks.get, None):
        results.put(task.upper())
        tasks.task_done()
    tasks.task_done()


def wait(event, condition, semaphore, seen):
    event.wait(10)
    with semaphore, condition:
        seen.value += 1
        condition.notify()


def run(*workers):
    for worker in workers:
        worker.start()
    return workers


def end(workers):
    for worker in workers:
        worker.join()
    print([worker.exitcode for worker in workers])


if __name__ == "__main__":
    memory, done = shared_memory.SharedMemory(create=True, size=4 * WIDTH * 8), Queue()
    workers = run(*(Process(target=fill, args=(memory.name, n, done)) for n in range(4)))
    print(sorted(done.get() for _ in workers))
    end(workers)
    with memory.buf.cast("q") as numbers:
        print([numbers.tolist()[n * WIDTH : (n + 1) * WIDTH] for n in range(4)])
    memory.close()
    memory.unlink()
    names = shared_memory.ShareableList(["a", 1, 2.5, None])
    print(list(names))
    names.shm.close()
    names.shm.unlink()

    total, squares, gate = Value("i", 0), Array("d", 3), Barrier(3)
    end(run(*(Process(target=count, args=(total, squares, gate, n)) for n in range(3))))
    print(total.value, squares[:])

    tasks, results = JoinableQueue(), SimpleQueue()
    workers = run(Process(target=consume, args=(tasks, results)))
    for word in ("red", "green", None):
        tasks.put(word)
    tasks.join()
    print(results.get(), results.get())
    end(workers)

    event, condition, seen = Event(), Condition(), Value("i", 0)
    workers = run(*(Process(target=wait, args=(event, condition, Semaphore(1), seen)) for _ in range(2)))
    event.set()
    with condition:
        print(condition.wait_for(lambda: seen.value == 2, 10))
    end(workers)
    process = Process(target=event.clear, name="clears")
    print(process.name, process.is_alive(), multiprocessing.current_process().name)
