# an excepthook of the program's own
import sys

def hook(kind, error, frames):
    print("HOOK", kind.__name__, error, frames.tb_lineno)

sys.excepthook = hook
raise OSError(13, "no entry", "secret.txt")
