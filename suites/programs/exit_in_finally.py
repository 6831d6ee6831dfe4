# sys.exit in a finally hides the exception
import sys

try:
    raise ValueError("hidden")
finally:
    sys.exit(7)
