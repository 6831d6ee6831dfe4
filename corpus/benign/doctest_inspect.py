import doctest
import inspect


def triangle(n: int = 3) -> int:
    """Sum of 1..n.

    >>> triangle(4)
    10
    >>> triangle(0)
    0
    >>> triangle("x")
    Traceback (most recent call last):
    TypeError: can only concatenate str (not "int") to str
    """
    return n * (n + 1) // 2


print(inspect.getsource(triangle).splitlines()[0])
print(inspect.signature(triangle), inspect.getdoc(triangle).splitlines()[0])
finder = doctest.DocTestFinder()
runner = doctest.DocTestRunner(verbose=False)
for test in finder.find(triangle, "triangle", globs={"triangle": triangle}):
    runner.run(test)
print(runner.summarize(verbose=False))
print(doctest.testmod())


class Base:
    def method(self): ...


class Child(Base):
    x = 1


print([c.__name__ for c in inspect.getmro(Child)], [n for n, _ in inspect.getmembers(Child(), inspect.ismethod)])
print(inspect.getsource(Child).strip().splitlines()[-1], inspect.stack()[0].function)
