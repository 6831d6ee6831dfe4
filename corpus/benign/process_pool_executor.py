#! forbidden: off
#! timeout: 20
import math
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import Pool

factor = 1


def set_factor(value):
    global factor
    factor = value


def is_prime(n):
    return n > 1 and all(n % divisor for divisor in range(2, math.isqrt(n) + 1))


def scaled(n):
    return n * factor


def inverse(n):
    return 1 / n


if __name__ == "__main__":
    with ProcessPoolExecutor() as executor:
        print([n for n, prime in zip(range(30), executor.map(is_prime, range(30), chunksize=5)) if prime])
    with ProcessPoolExecutor(max_workers=2, initializer=set_factor, initargs=(7,)) as executor:
        futures = {executor.submit(scaled, n): n for n in range(4)}
        print(sorted((futures[future], future.result()) for future in as_completed(futures)))
        future = executor.submit(inverse, 0)
        print(repr(future.exception()))
        print(executor.submit(inverse, 4).result())
    with Pool(2, initializer=set_factor, initargs=(3,)) as pool:
        print(pool.map(scaled, range(5)), sorted(pool.imap_unordered(scaled, range(5))), pool.starmap(math.pow, [(2, 3), (3, 2)]))
        print(pool.apply_async(scaled, (5,)).get(timeout=10))
        try:
            pool.map(inverse, [1, 0])
        except ZeroDivisionError as error:
            print(error)
