import numpy as np

# The Mersenne Twister stream of RandomState is frozen by numpy's own policy.
rng = np.random.RandomState(42)
print(rng.randint(0, 100, 10).tolist())
print([round(float(v), 6) for v in rng.random_sample(5)])
walk = np.cumsum(rng.choice([-1, 1], size=1000))
print("final", int(walk[-1]), "max", int(walk.max()), "min", int(walk.min()))
inside = (rng.random_sample((20000, 2)) ** 2).sum(axis=1) <= 1
print("pi is about", round(4 * float(inside.mean()), 3))
