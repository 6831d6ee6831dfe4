# sys.unraisablehook of the program's own
import sys

def hook(args):
    print("unraisable:", args.exc_type.__name__, args.exc_value)

sys.unraisablehook = hook

class Bad:
    def __del__(self):
        raise ValueError("in del")

Bad()
print("end")
