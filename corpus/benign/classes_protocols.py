class Vector:
    __slots__ = ("x", "y")

    def __init__(self, x, y):
        self.x, self.y = x, y

    def __repr__(self):
        return f"Vector({self.x}, {self.y})"

    def __add__(self, other):
        return Vector(self.x + other.x, self.y + other.y)

    def __mul__(self, k):
        return Vector(self.x * k, self.y * k)

    __rmul__ = __mul__

    def __eq__(self, other):
        return (self.x, self.y) == (other.x, other.y)

    def __iter__(self):
        yield from (self.x, self.y)

    def __bool__(self):
        return any(self)


print(Vector(1, 2) + 3 * Vector(1, 1), bool(Vector(0, 0)), Vector(1, 2) == Vector(1, 2), [*Vector(5, 6)])


class Positive:
    def __set_name__(self, owner, name):
        self.name = "_" + name

    def __get__(self, instance, owner):
        return self if instance is None else getattr(instance, self.name)

    def __set__(self, instance, value):
        if value <= 0:
            raise ValueError(f"{self.name[1:]} must be positive")
        setattr(instance, self.name, value)


class Account:
    balance = Positive()
    registry = {}

    def __init_subclass__(cls, **options):
        Account.registry[cls.__name__] = options


class Savings(Account, rate=3): ...


account = Savings()
account.balance = 5
try:
    account.balance = -1
except ValueError as error:
    print(error, account.balance, Account.registry)


class Meta(type):
    def __call__(cls, *args):
        if not hasattr(cls, "only"):
            cls.only = super().__call__(*args)
        return cls.only


class Single(metaclass=Meta): ...


print(Single() is Single(), type("Made", (), {"x": 1})().x, Vector.__add__.__qualname__)


class A:
    def who(self):
        return "A"


class B(A):
    def who(self):
        return "B" + super().who()


class C(A):
    def who(self):
        return "C" + super().who()


class D(B, C): ...


print(D().who(), [c.__name__ for c in D.__mro__])
