# lzma text, never closed, held by a cycle
import lzma

class Node:
    pass

a, b = Node(), Node()
a.other, b.other = b, a
a.file = lzma.open("cycle.xz", "wt")
a.file.write("held by a cycle\n" * 100)
print("done")
