# atexit after an uncaught exception sees sys.last_value
import atexit
import sys

def show():
    print("last:", repr(getattr(sys, "last_value", None)), getattr(sys, "last_type", None))

atexit.register(show)
raise LookupError("row 7")
