from abc import ABC, abstractmethod
from enum import Enum, Flag, IntEnum, auto
from typing import Generic, NamedTuple, Protocol, TypedDict, TypeVar, get_type_hints, runtime_checkable


class Color(Enum):
    RED = "r"
    GREEN = "g"

    @property
    def pretty(self):
        return self.name.title()


class Level(IntEnum):
    LOW = 1
    HIGH = 10


class Right(Flag):
    READ = auto()
    WRITE = auto()


print([c.pretty for c in Color], Color("g"), Color["RED"].value, Level.HIGH > Level.LOW)
print(Right.READ in (Right.READ | Right.WRITE), (Right.READ | Right.WRITE).value)


class Shape(ABC):
    @abstractmethod
    def area(self) -> float: ...


class Square(Shape):
    def __init__(self, side: float):
        self.side = side

    def area(self) -> float:
        return self.side**2


try:
    Shape()
except TypeError as error:
    print("abstract:", "Shape" in str(error))
T = TypeVar("T")


class Stack(Generic[T]):
    def __init__(self) -> None:
        self.items: list[T] = []

    def push(self, item: T) -> None:
        self.items.append(item)


@runtime_checkable
class HasArea(Protocol):
    def area(self) -> float: ...


class Pair(NamedTuple):
    left: int
    right: int = 7


class Movie(TypedDict, total=False):
    title: str


stack: Stack[int] = Stack()
stack.push(3)
print(stack.items, isinstance(Square(2), HasArea), Square(2).area(), Pair(1), Movie(title="x"))
print(sorted(get_type_hints(Square.__init__).items()))
