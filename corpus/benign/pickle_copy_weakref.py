#! files: state.pkl
import copy
import gc
import json
import pickle
import weakref
from collections import OrderedDict
from datetime import date
from decimal import Decimal


class Node:
    def __init__(self, name):
        self.name, self.children = name, []

    def __repr__(self):
        return f"Node({self.name}, {self.children})"

    def __getstate__(self):
        return {"name": self.name, "children": self.children}


root = Node("root")
root.children.append(Node("leaf"))
for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
    assert repr(pickle.loads(pickle.dumps(root, protocol))) == repr(root)
state = {"d": date(2024, 1, 1), "n": Decimal("1.5"), "o": OrderedDict(a=1), "s": frozenset({1}), "t": (1, [2])}
with open("state.pkl", "wb") as handle:
    pickle.dump(state, handle)
with open("state.pkl", "rb") as handle:
    print(pickle.load(handle) == state)
shallow, deep = copy.copy(root), copy.deepcopy(root)
root.children.append(Node("late"))
print(len(shallow.children), len(deep.children))
root.children[0].children.append(root)
print(copy.deepcopy(root).children[0].children[0].name)
reference = weakref.ref(deep)
finalised = []
weakref.finalize(deep, finalised.append, "gone")
del deep
gc.collect()
print(reference() is None, finalised)
cache = weakref.WeakValueDictionary()
keep = Node("kept")
cache["a"], cache["b"] = keep, Node("dropped")
gc.collect()
print(sorted(cache))
print(json.dumps(state, default=str, sort_keys=True)[:40])
