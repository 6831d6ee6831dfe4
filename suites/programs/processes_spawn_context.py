# multiprocessing with spawn
import multiprocessing as mp

def square(n):
    return n * n

if __name__ == "__main__":
    context = mp.get_context("spawn")
    with context.Pool(2) as pool:
        print(pool.map(square, range(4)))
    process = context.Process(target=print, args=("spawned",))
    process.start()
    process.join()
    print(process.exitcode)
