# print, sys.stdout.write, buffer and os.write in one program
import os
import sys

print("text layer")
sys.stdout.flush()
sys.stdout.buffer.write(b"buffer layer\n")
sys.stdout.buffer.flush()
os.write(1, b"descriptor\n")
print(type(sys.stdout).__name__, type(sys.stdout.buffer).__name__, type(sys.stdout.buffer.raw).__name__)
print(sys.stdout.line_buffering, sys.stdout.write_through, sys.stdout.isatty(), sys.stdout.fileno(), sys.stdout.name, sys.stdout.mode)
print(sys.stderr.line_buffering, sys.stderr.write_through, sys.stderr.errors, sys.stdout.errors, sys.stdin.errors)
