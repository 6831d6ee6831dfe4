import random
import secrets
import uuid

rng = random.Random(2024)
print([rng.randint(1, 6) for _ in range(10)])
deck = list(range(10))
rng.shuffle(deck)
print(deck, rng.sample(range(100), 5), rng.choices("abc", weights=[5, 3, 1], k=8))
print(round(rng.gauss(0, 1), 6), round(rng.uniform(5, 6), 6))
state = rng.getstate()
first = rng.random()
rng.setstate(state)
print(first == rng.random())
random.seed(1)
print(random.random())
print(len(secrets.token_hex(16)), len(secrets.token_bytes(20)), secrets.randbelow(1))
print(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), uuid.uuid4().version, uuid.uuid4() != uuid.uuid4())
print(random.SystemRandom().random() != random.SystemRandom().random())
