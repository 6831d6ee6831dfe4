# doctest with a failing example
import doctest

def average(values):
    """Average of numbers.

    >>> average([1, 2, 3])
    2.0
    >>> average([])
    Traceback (most recent call last):
    ...
    ZeroDivisionError: division by zero
    >>> average([1])
    1
    """
    return sum(values) / len(values)

print(doctest.testmod())
