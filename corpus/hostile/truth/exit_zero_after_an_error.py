#! class: truth
#! attack: raise, then leave with 0: the wait status says 0, and nothing else is known
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
#! expect stdout: before
import os
import sys


def leave(kind, value, trace):
    os._exit(0)


print("before", flush=True)
sys.excepthook = leave
raise RuntimeError("hidden")
