import traceback


class AppError(Exception):
    def __init__(self, code, message):
        super().__init__(message)
        self.code = code


def parse(text):
    try:
        return int(text)
    except ValueError as error:
        raise AppError(42, f"cannot parse {text!r}") from error
    finally:
        print("parsed", text)


print(parse("12"))
try:
    parse("x")
except AppError as error:
    print(error.code, error, type(error.__cause__).__name__)
try:
    raise ExceptionGroup("several", [ValueError("a"), TypeError("b"), ExceptionGroup("inner", [ValueError("c")])])
except* ValueError as group:
    print("values", [str(e) for e in group.exceptions if not isinstance(e, ExceptionGroup)], len(group.exceptions))
except* TypeError as group:
    print("types", [str(e) for e in group.exceptions])


def inner():
    raise KeyError("missing")


try:
    inner()
except KeyError:
    lines = traceback.format_exc().splitlines()
    print(lines[0])
    print(lines[-1])
    print(any(line.strip() == "inner()" for line in lines), any("in inner" in line for line in lines))
error = ValueError("with a note")
error.add_note("look here")
print(error.__notes__)
try:
    assert 1 == 2, "arithmetic holds"
except AssertionError as caught:
    print("assert:", caught)
