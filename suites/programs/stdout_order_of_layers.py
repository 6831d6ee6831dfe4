# what is buffered comes after what went past the buffer
import os
import sys

print("first in the program")
os.write(1, b"second in the program\n")
sys.stdout.buffer.write(b"third in the program\n")
print("fourth in the program")
