# x, a, r+, truncate, newline, memory maps
import mmap
import os

with open("m.txt", "x") as file:
    file.write("one\ntwo\n")
try:
    open("m.txt", "x")
except FileExistsError as error:
    print(error)
with open("m.txt", "a") as file:
    print(file.tell(), file.write("three\n"))
with open("m.txt", "r+b") as file, mmap.mmap(file.fileno(), 0) as memory:
    memory[0:3] = b"ONE"
    print(memory.find(b"two"), len(memory))
with open("m.txt", "r+") as file:
    file.truncate(8)
print(open("m.txt").read().split(), open("m.txt", newline="\r\n").readlines(), os.path.getsize("m.txt"))
with open("m.txt", "rb", buffering=0) as file:
    print(type(file).__name__, file.readall())
