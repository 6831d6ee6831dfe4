#! stdin: first\nsecond\n
# a child reads the rest of the input
import subprocess
import sys

print("parent:", sys.stdin.readline().strip(), flush=True)
subprocess.run([sys.executable, "-c", "import sys; print('child:', repr(sys.stdin.read()))"])
