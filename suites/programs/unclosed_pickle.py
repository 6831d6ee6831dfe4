# pickle into an open file, objects of classes of the program
import pickle
from dataclasses import dataclass, field

@dataclass
class Order:
    number: int
    items: list = field(default_factory=list)

def save(orders):
    file = open("orders.pickle", "wb")
    pickle.dump(orders, file, protocol=4)
    return file

handle = save([Order(1, ["a"]), Order(2, ["b", "c"])])
print(handle.name, handle.closed)
