# faulthandler shows the stack
import faulthandler
import sys

def f():
    faulthandler.dump_traceback(sys.stderr, all_threads=False)

f()
