# multiprocessing with fork
import multiprocessing as mp

def square(n):
    return n * n

if __name__ == "__main__":
    context = mp.get_context("fork")
    with context.Pool(2) as pool:
        print(pool.map(square, range(6)))
    queue = context.Queue()
    process = context.Process(target=queue.put, args=("from the child",))
    process.start()
    print(queue.get())
    process.join()
    print(process.exitcode)
