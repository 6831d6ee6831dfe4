import contextlib
import io
from contextlib import ExitStack, contextmanager, redirect_stdout, suppress


@contextmanager
def tag(name):
    print(f"<{name}>")
    try:
        yield name.upper()
    finally:
        print(f"</{name}>")


with tag("a") as a, tag("b"):
    print(a)
with suppress(ZeroDivisionError), tag("risky"):
    1 / 0
with ExitStack() as stack:
    names = [stack.enter_context(tag(n)) for n in ("x", "y")]
    stack.callback(print, "callback first")
    print(names)
buffer = io.StringIO()
with redirect_stdout(buffer):
    print("captured")
print(repr(buffer.getvalue()))


def average():
    total = count = 0
    result = None
    while True:
        value = yield result
        if value is None:
            return total / count
        total, count = total + value, count + 1
        result = total / count


def outer():
    final = yield from average()
    yield f"final {final}"


g = outer()
next(g)
print(g.send(10), g.send(20), g.send(None))


def numbers():
    try:
        yield 1
        yield 2
    except GeneratorExit:
        print("closed")
        raise


n = numbers()
next(n)
n.close()
with contextlib.closing(io.StringIO("x")) as handle:
    print(handle.read())
print(sum(x * x for x in range(10) if x % 2), {k: v for k, v in zip("ab", (1, 2))}, {c for c in "aa"})
