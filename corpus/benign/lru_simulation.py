import random
from collections import OrderedDict


class LRU:
    def __init__(self, size):
        self.size, self.data, self.hits = size, OrderedDict(), 0

    def get(self, key):
        if key in self.data:
            self.hits += 1
            self.data.move_to_end(key)
        else:
            self.data[key] = True
            if len(self.data) > self.size:
                self.data.popitem(last=False)


rng = random.Random(99)
requests = [min(int(rng.expovariate(0.1)), 99) for _ in range(5000)]
for size in (5, 10, 20, 40):
    cache = LRU(size)
    for key in requests:
        cache.get(key)
    print(f"size {size:2d} hit rate {cache.hits / len(requests):.3f}")
