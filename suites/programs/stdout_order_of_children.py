# a child's output and what is buffered before it
import subprocess
import sys

print("parent before")
subprocess.run([sys.executable, "-c", "print('child')"], check=True)
print("parent after")
