# descriptors moved about, as capture libraries do
import os
import sys

saved = os.dup(1)
target = os.open("captured.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
sys.stdout.flush()
os.dup2(target, 1)
print("captured by descriptor")
os.system("")
sys.stdout.flush()
os.dup2(saved, 1)
print("restored")
print(open("captured.txt").read(), end="")
