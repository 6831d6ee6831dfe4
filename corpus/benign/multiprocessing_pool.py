#! forbidden: off
#! timeout: 20
import multiprocessing
from concurrent.futures import ProcessPoolExecutor


def square(n):
    return n * n


def child(connection):
    connection.send({"from": "child"})
    connection.close()


if __name__ == "__main__":
    context = multiprocessing.get_context("fork")
    with context.Pool(3) as pool:
        print(pool.map(square, range(8)))
    left, right = context.Pipe()
    process = context.Process(target=child, args=(right,))
    process.start()
    print(left.recv())
    process.join()
    print(process.exitcode)
    value = context.Value("i", 0)

    def add(value=value):
        with value.get_lock():
            value.value += 5

    workers = [context.Process(target=add) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    print(value.value)
    with ProcessPoolExecutor(2, mp_context=context) as pool:
        print(list(pool.map(square, [10, 11])))
