# ProcessPoolExecutor with map, chunks and initializer
import os
from concurrent.futures import ProcessPoolExecutor, as_completed

def start(text):
    global GREETING
    GREETING = text

def work(n):
    return GREETING, n, sum(range(n))

if __name__ == "__main__":
    with ProcessPoolExecutor(2, initializer=start, initargs=("hi",)) as pool:
        print(list(pool.map(work, range(5), chunksize=2)))
        print(sorted(f.result()[1] for f in as_completed([pool.submit(work, n) for n in (10, 20)])))
