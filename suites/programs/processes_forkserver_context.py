# multiprocessing with forkserver
import multiprocessing as mp

def square(n):
    return n * n

if __name__ == "__main__":
    context = mp.get_context("forkserver")
    with context.Pool(1) as pool:
        print(pool.map(square, range(3)))
