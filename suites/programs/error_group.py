# an exception group, nested
def check(values):
    errors = []
    for value in values:
        try:
            int(value)
        except ValueError as error:
            errors.append(error)
    raise ExceptionGroup("bad values", errors + [ExceptionGroup("inner", [TypeError("t"), OSError(2, "no file")])])

check(["1", "x", "y"])
