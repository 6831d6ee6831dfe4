# finalizers of module globals, in the order of the interpreter
class Thing:
    def __init__(self, name):
        self.name = name

    def __del__(self):
        print("del", self.name)

a = Thing("a")
b = Thing("b")
_private = Thing("_private")
items = [Thing("in list 1"), Thing("in list 2")]
by_name = {"k": Thing("in dict")}

def function(default=Thing("default")):
    return default

class Holder:
    attribute = Thing("class attribute")

print("end")
