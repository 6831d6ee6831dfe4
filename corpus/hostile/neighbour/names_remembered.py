#! class: neighbour
#! attack: read what names_looked_up.py left: a name that was asked for is answered sooner
#! validator: rejects
#! executors: native
#! expect stdout: WALLED
import ctypes
import os
import time

access = ctypes.CDLL(None).access


def cost(path):
    start = time.perf_counter_ns()
    access(path, 0)
    return time.perf_counter_ns() - start


def median(times):
    return sorted(times)[len(times) // 2]


fallen = False
for folder in (os.path.dirname(os.__file__), "/usr", "/"):
    names = [[f"{folder}/left-{bit}.{copy}".encode() for copy in range(9)] for bit in range(48)]
    unknown = [f"{folder}/new-{time.time_ns()}-{number}".encode() for number in range(400)]
    for _ in range(2000):
        access(f"{folder}/warm".encode(), 0)
    slow = median([cost(name) for name in unknown])
    fast = median([cost(name) for name in unknown])
    limit = (slow + fast) / 2
    bits = "".join("1" if median([cost(name) for name in copies]) < limit else "0" for copies in names)
    text = bytes(int(bits[at : at + 8], 2) for at in range(0, 48, 8))
    if sum(a == b for a, b in zip(text, b"leaked")) >= 4:
        fallen = True
        print("BREACH", folder, text, slow, fast)
print("FALLEN" if fallen else "WALLED")
