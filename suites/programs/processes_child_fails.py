# an exception and an exit code in children
import multiprocessing as mp
import sys

def fail():
    raise ValueError("in the child")

def leave():
    sys.exit(7)

def say():
    sys.exit("text from the child")

if __name__ == "__main__":
    for target in (fail, leave, say):
        process = mp.get_context("fork").Process(target=target, name=target.__name__)
        process.start()
        process.join()
        print(target.__name__, process.exitcode)
