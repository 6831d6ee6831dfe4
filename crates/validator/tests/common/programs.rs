//! Programs as language models write them.

pub(crate) const PROGRAMS: &[&str] = &[
    "print('Hello, world!')",
    "import math\n\nradius = 2.5\narea = math.pi * radius ** 2\nprint(f'{area:.3f}')\n",
    r#"
import pandas as pd

df = pd.DataFrame({"name": ["a", "b"], "os": ["linux", "mac"], "sys": [1, 2]})
print(df.os.value_counts())
print(df[df["sys"] > 1].to_string(index=False))
df.to_excel("data.xlsx", index=False)
"#,
    r#"
import numpy as np
import matplotlib
matplotlib.use("Agg")
import matplotlib.pyplot as plt

x = np.linspace(0, 2 * np.pi, 200)
fig, ax = plt.subplots(figsize=(6, 4))
ax.plot(x, np.sin(x), label=r"$\sin(x)$")
ax.legend()
fig.savefig("plot.png", dpi=150)
"#,
    r#"
from scipy import optimize, signal, stats

def f(x):
    return (x - 2) ** 2 + 1

result = optimize.minimize_scalar(f)
print(result.x, stats.norm.cdf(1.96), signal.find_peaks([0, 1, 0])[0])
"#,
    r#"
import json
from pathlib import Path

data = json.loads(Path("input.json").read_text(encoding="utf-8"))
for key, value in sorted(data.items()):
    print(f"{key!r:<20} {value}")
Path("out").mkdir(exist_ok=True)
"#,
    r#"
from dataclasses import dataclass, field
from typing import Iterator, Optional

@dataclass(order=True)
class Node:
    value: int
    left: Optional["Node"] = None
    right: Optional["Node"] = None
    tags: list[str] = field(default_factory=list)

    def __iter__(self) -> Iterator[int]:
        if self.left:
            yield from self.left
        yield self.value
        if self.right:
            yield from self.right

print(list(Node(2, Node(1), Node(3))), Node(1).__class__.__name__)
"#,
    r#"
import asyncio

async def worker(name: str, queue: asyncio.Queue) -> None:
    while True:
        item = await queue.get()
        print(name, item)
        queue.task_done()

async def main():
    queue = asyncio.Queue()
    tasks = [asyncio.create_task(worker(f"w{i}", queue)) for i in range(3)]
    for n in range(10):
        queue.put_nowait(n)
    await queue.join()
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)

asyncio.run(main())
"#,
    r#"
from concurrent.futures import ThreadPoolExecutor, as_completed

def square(n): return n * n

with ThreadPoolExecutor(max_workers=4) as pool:
    futures = {pool.submit(square, n): n for n in range(10)}
    for future in as_completed(futures):
        print(futures[future], future.result())
"#,
    r#"
import re
from collections import Counter, defaultdict

TEXT = """The quick brown fox
jumps over the lazy dog."""
words = re.findall(r"\w+", TEXT.lower())
print(Counter(words).most_common(3))
pattern = re.compile(r"(?P<first>\w)(?P<rest>\w*)")
groups = defaultdict(list)
for match in pattern.finditer(TEXT):
    groups[match["first"]].append(match.group(0))
"#,
    r#"
def solve(n, board=None, row=0):
    board = board or []
    if row == n:
        return [board]
    return [s for col in range(n)
            if all(col != c and abs(col - c) != row - r for r, c in enumerate(board))
            for s in solve(n, board + [col], row + 1)]

print(len(solve(6)))
"#,
    r#"
import csv, io, statistics as st

rows = list(csv.DictReader(io.StringIO("a,b\n1,2\n3,4\n")))
print(st.mean(float(r["a"]) for r in rows), sum(int(r["b"]) for r in rows))
"#,
    r#"
import requests

try:
    response = requests.get("https://example.org/api", params={"q": "x"}, timeout=5)
    response.raise_for_status()
    data = response.json()
except requests.RequestException as error:
    print(f"failed: {error}")
else:
    print(data)
finally:
    print("done")
"#,
    r#"
from PIL import Image, ImageDraw

image = Image.new("RGB", (200, 100), "white")
draw = ImageDraw.Draw(image)
draw.rectangle([10, 10, 50, 50], outline=(255, 0, 0), width=3)
image.save("box.png")
"#,
    r#"
from openpyxl import Workbook
from openpyxl.styles import Font

wb = Workbook()
ws = wb.active
ws.title = "Report"
for row in [("Name", "Score"), ("Ann", 90), ("Bo", 85)]:
    ws.append(row)
ws["A1"].font = Font(bold=True)
wb.save("report.xlsx")
"#,
    r#"
def describe(command):
    match command.split():
        case ["go", ("north" | "south") as direction]:
            return f"going {direction}"
        case ["take", *items] if items:
            return f"taking {', '.join(items)}"
        case [] | [""]:
            return "nothing"
        case {"type": kind, **rest}:
            return kind
        case _:
            return "unknown"

for c in ("go north", "take a b", "", "x"):
    print(describe(c))
"#,
    r#"
import sqlite3

with sqlite3.connect(":memory:") as db:
    db.execute("create table t (id integer primary key, name text)")
    db.executemany("insert into t (name) values (?)", [("a",), ("b",)])
    print(db.execute("select * from t").fetchall())
"#,
    r#"
from functools import lru_cache, reduce
from itertools import count, islice, takewhile

@lru_cache(maxsize=None)
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)

def primes():
    for n in count(2):
        if all(n % p for p in takewhile(lambda p: p * p <= n, primes())):
            yield n

print(fib(50), list(islice(primes(), 10)), reduce(lambda a, b: a * b, range(1, 6)))
"#,
    r#"
class Matrix:
    def __init__(self, rows): self.rows = rows
    def __matmul__(self, other):
        return Matrix([[sum(a * b for a, b in zip(r, c)) for c in zip(*other.rows)] for r in self.rows])
    def __repr__(self): return f"{type(self).__name__}({self.rows})"

print(Matrix([[1, 2], [3, 4]]) @ Matrix([[0, 1], [1, 0]]))
"#,
    r#"
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

now = datetime(2024, 2, 29, 12, tzinfo=timezone.utc)
for days in (1, 30, 365):
    print((now + timedelta(days=days)).astimezone(ZoneInfo("Europe/Paris")).isoformat())
"#,
    r#"
low, high, guesses = 0, 1_000_000, 0
target = 424_242
while low <= high:
    guesses += 1
    mid = (low + high) // 2
    if mid == target:
        break
    elif mid < target:
        low = mid + 1
    else:
        high = mid - 1
else:
    print("not found")
print(guesses)
"#,
    r#"
import random
random.seed(42)

def simulate(trials: int = 10_000) -> float:
    inside = sum(random.random() ** 2 + random.random() ** 2 <= 1 for _ in range(trials))
    return 4 * inside / trials

if __name__ == "__main__":
    print(simulate())
"#,
    r#"
import heapq

def dijkstra(graph, start):
    distances = {node: float("inf") for node in graph} | {start: 0}
    heap = [(0, start)]
    while heap:
        distance, node = heapq.heappop(heap)
        if distance > distances[node]:
            continue
        for neighbour, weight in graph[node].items():
            if (candidate := distance + weight) < distances[neighbour]:
                distances[neighbour] = candidate
                heapq.heappush(heap, (candidate, neighbour))
    return distances

print(dijkstra({"a": {"b": 1}, "b": {"c": 2}, "c": {}}, "a"))
"#,
    r#"
def counter():
    total = 0
    def add(n=1):
        nonlocal total
        total += n
        return total
    return add

calls = 0
def track():
    global calls
    calls += 1

c = counter(); c(); c(5); track()
print(c(0), calls)
"#,
    r#"
from enum import Enum, auto
from abc import ABC, abstractmethod

class Colour(Enum):
    RED = auto()
    GREEN = auto()

class Shape(ABC):
    @property
    @abstractmethod
    def area(self) -> float: ...

class Square(Shape):
    def __init__(self, side: float, *, colour: Colour = Colour.RED, **extra) -> None:
        super().__init__()
        self.side, self.colour, self.extra = side, colour, extra

    @property
    def area(self): return self.side ** 2

    @classmethod
    def unit(cls): return cls(1)

    @staticmethod
    def name(): return "square"
"#,
    r#"
import logging
logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
log = logging.getLogger(__name__)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("oops: %s", "division")
except (ValueError, TypeError) as e:
    raise RuntimeError("bad") from e
"#,
    r#"
from contextlib import contextmanager
import time

@contextmanager
def timed(label):
    start = time.perf_counter()
    try:
        yield
    finally:
        print(f"{label}: {time.perf_counter() - start:.3f}s")

with timed("loop"), open("x.txt", "w") as f:
    f.writelines(str(i) + "\n" for i in range(10))
"#,
    "x = int(input('n: '))\nprint('even' if x % 2 == 0 else 'odd')\n",
    r#"
data = [{"name": "A", "tags": ["x", "y"]}, {"name": "B", "tags": []}]
index = {tag: [d["name"] for d in data if tag in d["tags"]] for d in data for tag in d["tags"]}
first, *rest = sorted(index, key=lambda t: (-len(index[t]), t))
print(first, rest, *[f"{k}={v}" for k, v in index.items()], sep="\n")
"#,
    r#"
# Décodage d'un texte – avec des caractères spéciaux
prénom = "Zoë"
日本 = {"東京": 13_960_000}
print(prénom.upper(), 日本["東京"], "\N{GREEK SMALL LETTER ALPHA}", "\u00e9", b"\x00\xff", r"\d", '''it's "ok"''')
"#,
    r#"
import unittest

class TestMaths(unittest.TestCase):
    def setUp(self):
        self.values = [1, 2, 3]

    def test_sum(self):
        self.assertEqual(sum(self.values), 6)
        with self.assertRaises(TypeError):
            sum(None)

suite = unittest.defaultTestLoader.loadTestsFromTestCase(TestMaths)
unittest.TextTestRunner().run(suite)
"#,
    r#"
import base64, hashlib, hmac, secrets, struct, zlib, uuid
payload = zlib.compress(b"x" * 100)
print(hashlib.sha256(payload).hexdigest(), base64.b64encode(payload).decode(), struct.pack("<I", 7), uuid.uuid5(uuid.NAMESPACE_DNS, "a"))
print(hmac.compare_digest(secrets.token_hex(4), "x"))
"#,
    r#"
import pandas as pd
import numpy as np

df = pd.read_csv("data.csv", parse_dates=["date"])
df["month"] = df["date"].dt.to_period("M")
summary = (
    df.groupby(["month", "category"], as_index=False)
      .agg(total=("amount", "sum"), mean=("amount", "mean"))
      .query("total > 100")
      .sort_values(["month", "total"], ascending=[True, False])
)
summary["share"] = summary["total"] / summary.groupby("month")["total"].transform("sum")
print(np.where(summary["share"] > .5, "big", "small")[:10], df.eval("amount * 2").head())
"#,
    r#"
async def agen(n):
    for i in range(n):
        yield i

async def main():
    values = [x async for x in agen(5) if x % 2]
    async with lock() as held, other():
        pass
    return {k: v async for k, v in pairs()}
"#,
    r#"
def parse(text):
    position = 0

    def peek():
        return text[position] if position < len(text) else ""

    def number():
        nonlocal position
        start = position
        while peek().isdigit():
            position += 1
        return int(text[start:position])

    def expression():
        nonlocal position
        value = number()
        while True:
            if peek() == "+":
                position += 1
                value += number()
            elif peek() == "-":
                position += 1
                value -= number()
            else:
                return value

    return expression()

print(parse("1+2-3"))
"#,
    r#"
from typing import Generic, TypeVar, Callable, overload
T = TypeVar("T")

class Stack(Generic[T]):
    items: list[T]
    size: int = 0

    def __init__(self): self.items = []
    def push(self, item: T, /) -> None: self.items.append(item)
    def pop(self) -> T: return self.items.pop()

apply: Callable[[int], int] = lambda x, y=2, *a, k=3, **kw: x + y
s: Stack[int] = Stack(); s.push(1)
assert s.pop() == 1, "popped wrong"
del s
"#,
    "\u{feff}import decimal\r\nfrom fractions import Fraction\r\n\r\nprint(decimal.Decimal('0.1') + 1, Fraction(1, 3))\r\n",
    "def f():\n\tif True:\n\t\treturn 1\n\treturn 2\nprint(f())\n",
    "try:\n    raise ExceptionGroup('g', [ValueError(1)])\nexcept* ValueError as group:\n    print(group.exceptions)\n",
];
