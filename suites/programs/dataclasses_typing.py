# dataclasses, protocols, generics and type hints
from __future__ import annotations

import typing
from dataclasses import asdict, dataclass, field, fields, replace
from typing import Generic, Protocol, TypeVar

T = TypeVar("T")

class Named(Protocol):
    name: str

@dataclass(order=True, frozen=True)
class Item(Generic[T]):
    price: float
    name: str = "item"
    tags: tuple[str, ...] = field(default=(), compare=False)

items = sorted([Item(3.5, "b"), Item(1.0, "a", ("x",)), Item(2.0)])
print(items, asdict(items[0]), replace(items[0], price=9))
print(typing.get_type_hints(Item), [f.name for f in fields(Item)])
try:
    items[0].price = 3
except Exception as error:
    print(type(error).__name__, error)
