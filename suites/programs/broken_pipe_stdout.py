# stdout is a pipe whose reader is gone
import os
import sys

reader, writer = os.pipe()
os.dup2(writer, 1)
os.close(writer)
os.close(reader)
print("nobody reads")
print("stderr still works", file=sys.stderr)
