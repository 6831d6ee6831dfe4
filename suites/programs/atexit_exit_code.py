# sys.exit in an atexit handler does not change the code
import atexit
import sys

atexit.register(lambda: sys.exit(5))
atexit.register(lambda: sys.exit("text in atexit"))
sys.exit(3)
