# the exact depth at module level
def down(n):
    try:
        return down(n + 1)
    except RecursionError:
        return n

print(down(1))
