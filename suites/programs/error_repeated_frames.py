# repeated lines of a traceback are folded
import sys

sys.setrecursionlimit(60)

def f(n):
    return g(n)

def g(n):
    return f(n)

f(1)
