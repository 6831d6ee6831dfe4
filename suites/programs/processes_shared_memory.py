# values, arrays, locks and shared memory
import multiprocessing as mp
from multiprocessing import shared_memory

def add(value, array, lock):
    for i in range(100):
        with lock:
            value.value += 1
            array[i % 4] += 1

if __name__ == "__main__":
    context = mp.get_context("fork")
    value, array, lock = context.Value("i", 0), context.Array("i", 4), context.Lock()
    processes = [context.Process(target=add, args=(value, array, lock)) for _ in range(2)]
    [p.start() for p in processes]
    [p.join() for p in processes]
    print(value.value, list(array))
    memory = shared_memory.SharedMemory(create=True, size=16)
    memory.buf[:4] = b"abcd"
    other = shared_memory.SharedMemory(name=memory.name)
    print(bytes(other.buf[:4]))
    other.close()
    memory.close()
    memory.unlink()
