# an object whose __str__ fails
import sys

class Status:
    def __str__(self):
        raise ValueError("no text")

sys.exit(Status())
