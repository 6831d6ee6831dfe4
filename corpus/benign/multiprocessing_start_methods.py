#! forbidden: off
#! timeout: 30
import multiprocessing
from concurrent.futures import ProcessPoolExecutor

base = 0


def set_base(value):
    global base
    base = value


def add(n):
    return base + n


def put(queue, n):
    queue.put((n, __name__))


if __name__ == "__main__":
    multiprocessing.set_start_method("spawn")
    print(multiprocessing.get_start_method())
    with multiprocessing.Manager() as manager:
        shared = manager.list()
        process = multiprocessing.Process(target=shared.append, args=("spawned",))
        process.start()
        process.join()
        print(list(shared))
    try:
        multiprocessing.set_start_method("fork")
    except RuntimeError as error:
        print(error)
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        with context.Pool(2, set_base, (100,)) as pool:
            print(method, pool.map(add, range(4)))
        with ProcessPoolExecutor(2, mp_context=context, initializer=set_base, initargs=(200,)) as executor:
            print(method, list(executor.map(add, range(4))))
        queue = context.Queue()
        process = context.Process(target=put, args=(queue, 7))
        process.start()
        print(method, queue.get(), process.join(), process.exitcode)
