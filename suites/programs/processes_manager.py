# a manager's dictionary and list
import multiprocessing as mp

def fill(shared, number):
    shared[number] = number * 10

if __name__ == "__main__":
    context = mp.get_context("fork")
    with context.Manager() as manager:
        shared = manager.dict()
        processes = [context.Process(target=fill, args=(shared, n)) for n in range(3)]
        [p.start() for p in processes]
        [p.join() for p in processes]
        print(sorted(shared.items()))
