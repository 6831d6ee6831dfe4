# how deep recursion goes
import sys

def down(n):
    try:
        return down(n + 1)
    except RecursionError:
        return n

print(down(0) == down(0), sys.getrecursionlimit())
sys.setrecursionlimit(5000)
print(down(0) > 4900)

def fact(n):
    return 1 if n < 2 else n * fact(n - 1)

print(len(str(fact(3000))))
