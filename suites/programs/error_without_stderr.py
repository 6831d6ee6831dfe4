# no stderr at all
import sys

sys.stderr = None
print("before")
1 / 0
