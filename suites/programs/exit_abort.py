# os.abort with buffered output
import os

print("before", flush=True)
print("buffered")
os.abort()
