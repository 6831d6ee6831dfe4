# a reader that goes away
import subprocess
import sys

child = subprocess.Popen([sys.executable, "-c", "pass"], stdin=subprocess.PIPE)
child.wait()
try:
    child.stdin.write(b"x" * 100_000)
    child.stdin.flush()
except BrokenPipeError as error:
    print("broken pipe", error.errno)
