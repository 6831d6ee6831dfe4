# pickling classes and functions of main
import copy
import pickle
from collections import namedtuple
from enum import Enum

class Color(Enum):
    RED = 1

Point = namedtuple("Point", "x y")

class Node:
    __slots__ = ("value", "next")

    def __init__(self, value, next=None):
        self.value, self.next = value, next

    def __reduce__(self):
        return Node, (self.value, self.next)

def twice(x):
    return 2 * x

data = {"color": Color.RED, "point": Point(1, 2), "node": Node(1, Node(2)), "function": twice, "type": Node}
back = pickle.loads(pickle.dumps(data))
print(back["color"] is Color.RED, back["point"], back["node"].next.value, back["function"](21), back["type"] is Node)
print(copy.deepcopy(data)["point"], Node.__module__, twice.__module__, twice.__code__.co_name)
with open("data.pickle", "wb") as file:
    pickle.dump(data, file)
try:
    pickle.dumps(lambda: 1)
except Exception as error:
    print(type(error).__name__, str(error).split(" at ")[0])
