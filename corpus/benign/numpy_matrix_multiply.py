import numpy as np


def multiply(a, b):
    rows, inner, cols = len(a), len(b), len(b[0])
    return [[sum(a[i][k] * b[k][j] for k in range(inner)) for j in range(cols)] for i in range(rows)]


n = 40
a = [[(i * 7 + j * 3) % 11 for j in range(n)] for i in range(n)]
b = [[(i * 5 + j * 2) % 13 for j in range(n)] for i in range(n)]
slow = multiply(a, b)
fast = np.array(a) @ np.array(b)
print("same:", (np.array(slow) == fast).all())
print("trace:", int(np.trace(fast)), "checksum:", int(fast.sum()))
big = np.ones((300, 300)) @ np.ones((300, 300))
print("big:", big.shape, big[0, 0], big.sum())
