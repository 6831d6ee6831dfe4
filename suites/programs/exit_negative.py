# a negative code
import sys

sys.exit(-1)
