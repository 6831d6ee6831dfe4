# atexit belongs to the process that ends normally
import atexit
import multiprocessing as mp
import os

atexit.register(print, "atexit of main")

def work():
    atexit.register(print, "not run in a fork of multiprocessing")
    print("child works")

if __name__ == "__main__":
    process = mp.get_context("fork").Process(target=work)
    process.start()
    process.join()
    print("main ends", process.exitcode)
