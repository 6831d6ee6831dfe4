# a float is text
import sys

sys.exit(2.5)
