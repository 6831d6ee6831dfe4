import functools
import itertools
import operator
from functools import cached_property, lru_cache, partial, reduce, singledispatch, wraps


@lru_cache(maxsize=None)
def fib(n):
    return n if n < 2 else fib(n - 1) + fib(n - 2)


print(fib(90), fib.cache_info().misses)
print(list(itertools.accumulate([1, 2, 3, 4], operator.mul)), list(itertools.pairwise("abcd")))
print([(k, list(g)) for k, g in itertools.groupby(sorted(["bb", "a", "cc", "d"], key=len), key=len)])
print(list(itertools.islice(itertools.cycle("ab"), 5)), len(list(itertools.permutations(range(5)))))
print(list(itertools.combinations("abc", 2)), list(itertools.product([0, 1], repeat=2)))
print(list(itertools.chain.from_iterable([[1], [2, 3]])), list(itertools.zip_longest("ab", "c", fillvalue="-")))
print(reduce(lambda a, b: a * b, range(1, 11)), partial(int, base=2)("1011"))


def traced(function):
    @wraps(function)
    def inner(*args):
        result = function(*args)
        print(f"{function.__name__}{args} = {result}")
        return result

    return inner


@traced
def add(a, b):
    return a + b


add(2, 3)


@singledispatch
def describe(value):
    return "something"


@describe.register
def _(value: int):
    return "a number"


@describe.register(list)
def _(value):
    return f"a list of {len(value)}"


print(describe(1), describe([1, 2]), describe("x"))


class Circle:
    @cached_property
    def area(self):
        print("computed once")
        return 3


circle = Circle()
print(circle.area + circle.area, sorted([3, 1, 2], key=functools.cmp_to_key(lambda a, b: b - a)))
