# an exception that comes back from a process
from concurrent.futures import ProcessPoolExecutor

def work(value):
    return 10 / value

if __name__ == "__main__":
    with ProcessPoolExecutor(2) as pool:
        print(list(pool.map(work, [1, 2, 5])))
        pool.submit(work, 0).result()
