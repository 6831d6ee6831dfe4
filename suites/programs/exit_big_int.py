# an exit code that does not fit
import sys

sys.exit(2 ** 70)
