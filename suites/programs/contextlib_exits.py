# context managers: suppression, stacks, errors while leaving
import contextlib

@contextlib.contextmanager
def part(name, suppress=False):
    print("enter", name)
    try:
        yield name
    except ValueError as error:
        print("saw", error)
        if not suppress:
            raise
    finally:
        print("leave", name)

with contextlib.suppress(ZeroDivisionError), part("a"):
    1 / 0
with part("b", suppress=True):
    raise ValueError("inside")
with contextlib.ExitStack() as stack:
    for name in "xyz":
        stack.enter_context(part(name))
    stack.callback(print, "callback")
with contextlib.closing(open("closed.txt", "w")) as file:
    file.write("x")
print(file.closed)
with part("last"):
    raise ValueError("leaves the program")
