# an excepthook that fails
import sys

def hook(kind, error, frames):
    raise RuntimeError("the hook failed")

sys.excepthook = hook
1 / 0
