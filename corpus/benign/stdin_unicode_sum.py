#! stdin: größe 1\n日本 2\n\n  spaced   3
import fileinput

total = 0
for line in fileinput.input(files=("-",), encoding="utf-8"):
    parts = line.split()
    print(repr(line.rstrip("\n")))
    if parts:
        total += int(parts[-1])
print("total", total)
