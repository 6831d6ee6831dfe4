# the standard containers and algorithms
import bisect
import heapq
import itertools
import operator
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque
from functools import cache, cached_property, lru_cache, partial, reduce, singledispatch, total_ordering

@cache
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)

@singledispatch
def describe(value):
    return "object"

@describe.register
def _(value: int):
    return "int"

groups = defaultdict(list)
for word in "apple avocado banana blueberry cherry".split():
    groups[word[0]].append(word)
print(dict(groups), fib(90), fib.cache_info(), describe(3), describe("x"))
print(deque([1, 2, 3], maxlen=2), ChainMap({"a": 1}, {"a": 2, "b": 3})["b"], heapq.nsmallest(2, [5, 1, 4]), bisect.bisect([1, 3, 5], 3))
print(list(itertools.pairwise("abc")), list(itertools.groupby("aab"))[0][0], reduce(operator.mul, range(1, 6)), list(itertools.batched("abcde", 2)) if hasattr(itertools, "batched") else "no batched")
print(OrderedDict(a=1).popitem(), Counter("abca") - Counter("ab"), list(itertools.islice(itertools.accumulate(itertools.count(1)), 5)))
