# garbage that is found at the end
import gc

gc.disable()

class Tree:
    def __init__(self, depth):
        self.children = [Tree(depth - 1) for _ in range(2)] if depth else []
        for child in self.children:
            child.parent = self

    def __del__(self):
        global freed
        freed += 1

freed = 0
tree = Tree(4)
del tree
print(freed, gc.isenabled())
gc.collect()
print(freed)
last = Tree(2)
