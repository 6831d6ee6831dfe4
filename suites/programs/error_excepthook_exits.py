# an excepthook that exits with a code of its own
import sys

def hook(kind, error, frames):
    print("fatal:", error)
    sys.exit(9)

sys.excepthook = hook
raise ValueError("boom")
