# sys.exit() deep in functions with finally
import sys

def inner():
    try:
        sys.exit()
    finally:
        print("inner finally")

def outer():
    try:
        inner()
    except Exception:
        print("not caught by Exception")
    finally:
        print("outer finally")

outer()
print("never")
