# metaclasses, descriptors, __init_subclass__, __slots__, mro
class Registry(type):
    known = {}

    def __new__(mcs, name, bases, namespace, **options):
        cls = super().__new__(mcs, name, bases, namespace)
        mcs.known[name] = options
        return cls

class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner):
        return getattr(instance, self.name, None)

    def __set__(self, instance, value):
        if value < 0:
            raise ValueError(f"{self.name[1:]} must not be negative")
        setattr(instance, self.name, value)

class Base(metaclass=Registry, kind="base"):
    amount = Positive()

    def __init_subclass__(cls, **options):
        print("subclass", cls.__name__, cls.__mro__[1].__name__)

class Child(Base, kind="child"):
    pass

print(Registry.known, repr(Child), Child.__qualname__)
child = Child()
child.amount = 3
child.amount = -3
