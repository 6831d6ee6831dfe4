# seeded random numbers of all kinds
import random

random.seed(42)
print(random.random(), random.randint(1, 100), random.sample(range(50), 5), random.gauss(0, 1), random.choices("abc", [1, 2, 3], k=5))
generator = random.Random("text")
items = list(range(10))
generator.shuffle(items)
print(items, generator.betavariate(1, 2), random.getstate()[0])
