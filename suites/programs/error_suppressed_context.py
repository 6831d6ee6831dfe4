# raise from None
try:
    int("x")
except ValueError:
    raise TypeError("not a number") from None
