# A class of the program itself must pickle: that needs a true __main__ module.
import pickle
from dataclasses import asdict, astuple, dataclass, field, replace


@dataclass(order=True)
class Task:
    priority: int
    name: str = field(compare=False)
    tags: list[str] = field(default_factory=list, compare=False)


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    y: float = 0.0


task = Task(2, "write", ["a"])
print(task, asdict(task))
again = pickle.loads(pickle.dumps(task))
print(again == task, again is task, type(again) is Task, type(again).__module__)
print(sorted([Task(3, "c"), Task(1, "a"), task])[0].name)
point = pickle.loads(pickle.dumps(Point(1.5)))
print(point, replace(point, y=2.0), astuple(point), hash(Point(1, 2)) == hash(Point(1, 2)))
try:
    point.x = 3
except AttributeError as error:
    print(type(error).__name__)
print(__name__)
