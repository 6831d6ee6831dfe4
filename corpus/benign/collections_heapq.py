import bisect
import heapq
from collections import ChainMap, Counter, OrderedDict, defaultdict, deque, namedtuple
from graphlib import CycleError, TopologicalSorter

print(Counter("mississippi").most_common(3), Counter(a=3) - Counter(a=1, b=2))
groups = defaultdict(list)
for word in ["apple", "avocado", "beet", "cherry", "carrot"]:
    groups[word[0]].append(word)
print(dict(groups))
ring = deque(range(5), maxlen=5)
ring.append(5)
ring.rotate(2)
print(ring, ChainMap({"a": 1}, {"a": 2, "b": 3})["b"])
Point = namedtuple("Point", "x y", defaults=[0])
print(Point(3)._replace(y=4), Point(1, 2)._asdict())
order = OrderedDict.fromkeys("abc")
order.move_to_end("a")
print(list(order), heapq.nsmallest(3, [5, 1, 8, 2, 9]), list(heapq.merge([1, 4], [2, 3])))
graph = {"a": {"b": 7, "c": 3}, "b": {"d": 2}, "c": {"b": 1, "d": 8}, "d": {}}


def shortest(start, goal):
    queue, seen = [(0, start, [start])], set()
    while queue:
        cost, node, path = heapq.heappop(queue)
        if node == goal:
            return cost, path
        if node not in seen:
            seen.add(node)
            for other, weight in graph[node].items():
                heapq.heappush(queue, (cost + weight, other, path + [other]))


print(shortest("a", "d"))
grades = [60, 70, 80, 90]
print("".join("FDCBA"[bisect.bisect(grades, score)] for score in (33, 99, 77, 70, 89)))
print(list(TopologicalSorter({"test": {"build"}, "build": {"fetch"}, "ship": {"test"}}).static_order()))
try:
    list(TopologicalSorter({"a": {"b"}, "b": {"a"}}).static_order())
except CycleError as error:
    print("cycle of", len(error.args[1]) - 1)
