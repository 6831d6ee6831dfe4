# Runs one untrusted program inside an interpreter that is already behind every wall.
#
# The guest agent passes this text with `-c`. Descriptor 3 holds the program: the number of environment
# variables, then each name and value with its length in front (32 bits, little endian), then the source.
# Descriptor 4 takes one byte: the program's clock starts now.
#
# What the program may expect, and what shapes the code below:
# - it is a true `__main__`: pickling, dataclasses and inspect find their way back to it;
# - a traceback names main.py, shows its lines, and nothing of ours;
# - a module beside the program never gets between us and our imports: all of ours are done before;
# - the environment comes now and not at the start of the interpreter, so PYTHONPATH or LD_PRELOAD in it
#   cannot reach what runs before the program.
import os
import sys


class _Source:
    """Loader of the program's text: traceback, inspect, pdb and doctest ask it for lines (PEP 302)."""

    def __init__(self, text):
        self._text = text

    def get_source(self, name):
        return self._text


def _prepare():
    with open(3, "rb") as file:
        data = file.read()
    os.write(4, b"1")
    os.close(4)

    def number(position):
        return int.from_bytes(data[position : position + 4], "little"), position + 4

    def text(position):
        length, position = number(position)
        return data[position : position + length].decode(), position + length

    count, position = number(0)
    for _ in range(count):
        name, position = text(position)
        value, position = text(position)
        os.environ[name] = value
    source = data[position:].decode()

    module = type(sys)("__main__")
    module.__file__ = "/tmp/output/main.py"
    module.__loader__ = _Source(source)
    module.__builtins__ = __builtins__
    module.__dict__.setdefault("__annotations__", {})
    sys.modules["__main__"] = module
    sys.argv[:] = ["main.py"]
    sys.orig_argv[:] = [sys.executable, "main.py"]
    sys.path.insert(0, "/tmp/output")
    if count and "TZ" in os.environ:
        import time

        time.tzset()
    return source, module.__dict__


def _report(kind, error, frames):
    """Prints an uncaught exception as the interpreter would, with the program's own lines."""
    path = sys.path[:]
    try:
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(kind, error, frames)
            return
        # The standard library wins now over modules of the same name beside the program.
        sys.path.sort(key=lambda entry: entry == "/tmp/output")
        import traceback

        traceback.print_exception(kind, error, frames)
    except BaseException:
        sys.__excepthook__(kind, error, frames)
    finally:
        sys.path[:] = path


def _run():
    source, namespace = _prepare()
    try:
        # One frame of ours lies below the program's; a traceback starts above it.
        exec(compile(source, "main.py", "exec", dont_inherit=True), namespace)
    except SystemExit:
        raise
    except BaseException as error:
        frames = error.__traceback__.tb_next
        error.__traceback__ = frames
        _report(type(error), error, frames)
        if isinstance(error, KeyboardInterrupt):
            # Built in: no `signal.py` beside the program is meant.
            import _signal

            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
            os.kill(os.getpid(), _signal.SIGINT)
    else:
        return
    sys.exit(1)


_run()
