from functools import lru_cache


def queens(n, row=0, columns=(), diagonals=(), others=()):
    if row == n:
        return 1
    return sum(
        queens(n, row + 1, columns + (c,), diagonals + (row - c,), others + (row + c,))
        for c in range(n)
        if c not in columns and row - c not in diagonals and row + c not in others
    )


def distance(a, b):
    @lru_cache(None)
    def go(i, j):
        if i == 0 or j == 0:
            return i + j
        return min(go(i - 1, j) + 1, go(i, j - 1) + 1, go(i - 1, j - 1) + (a[i - 1] != b[j - 1]))

    return go(len(a), len(b))


def knapsack(items, capacity):
    best = [0] * (capacity + 1)
    for weight, value in items:
        for c in range(capacity, weight - 1, -1):
            best[c] = max(best[c], best[c - weight] + value)
    return best[-1]


def quicksort(values):
    if len(values) < 2:
        return values
    pivot, *rest = values
    return quicksort([v for v in rest if v < pivot]) + [pivot] + quicksort([v for v in rest if v >= pivot])


def life(cells, steps):
    for _ in range(steps):
        near = {}
        for x, y in cells:
            for dx in (-1, 0, 1):
                for dy in (-1, 0, 1):
                    near[x + dx, y + dy] = near.get((x + dx, y + dy), 0) + ((dx, dy) != (0, 0))
        cells = {c for c, n in near.items() if n == 3 or (n == 2 and c in cells)}
    return cells


print([queens(n) for n in range(1, 8)], distance("intention", "execution"))
print(knapsack([(12, 4), (2, 2), (1, 1), (1, 2), (4, 10)], 15), quicksort([3, 6, 1, 8, 2, 9, 2]))
print(sorted(life({(1, 0), (2, 1), (0, 2), (1, 2), (2, 2)}, 4)))
print("".join(str(d) for d in [n for n in range(1, 100) if str(n) == str(n)[::-1]][-9:]))
