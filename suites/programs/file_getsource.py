# inspect and linecache find the source
import inspect
import linecache

def area(r):
    """Area of a circle."""
    return 3.14 * r * r

class Shape:
    sides = 4

print(inspect.getsource(area))
print(inspect.getsource(Shape))
print(repr(linecache.getline(__file__, 1)), inspect.getsourcelines(area)[1])
print(inspect.getcomments(area), inspect.getmodule(area).__name__, inspect.getsourcefile(area) is not None)
