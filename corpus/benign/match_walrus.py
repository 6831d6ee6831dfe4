from dataclasses import dataclass


@dataclass
class Point:
    x: int
    y: int


def describe(value):
    match value:
        case 0 | 1:
            return "bit"
        case int(n) if n < 0:
            return f"negative {n}"
        case [first, *rest]:
            return f"list of {1 + len(rest)} from {first}"
        case {"type": "circle", "r": r, **others}:
            return f"circle {r} {sorted(others)}"
        case Point(x=0, y=y):
            return f"on the axis at {y}"
        case Point(x, y):
            return f"point {x},{y}"
        case str() as text:
            return f"text {text!r}"
        case None:
            return "nothing"
        case _:
            return type(value).__name__


for value in [1, -5, [1, 2, 3], {"type": "circle", "r": 2, "color": "red"}, Point(0, 3), Point(1, 2), "hi", None, 3.5]:
    print(describe(value))
data = [3, 8, 1, 9]
if (largest := max(data)) > 5:
    print("largest", largest)
print([half for n in data if (half := n // 2) > 0])
first, *middle, last = data
print(first, middle, last, {**{"a": 1}, "b": 2} | {"c": 3})
