# os._exit loses what is buffered
import os

print("flushed", flush=True)
file = open("lost.txt", "w")
file.write("never arrives")
os._exit(8)
