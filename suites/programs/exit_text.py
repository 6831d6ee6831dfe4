# text as the argument of sys.exit
import sys

print("working")
sys.exit("no rows matched the filter")
