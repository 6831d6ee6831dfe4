# the collector and memory traces
import gc
import tracemalloc

class Cycle:
    def __init__(self):
        self.me = self

gc.collect()
for _ in range(10):
    Cycle()
print(gc.collect() >= 10, gc.isenabled(), gc.get_threshold())
kept = Cycle()
print(sum(type(thing) is Cycle for thing in gc.get_objects()), len(gc.garbage), gc.get_freeze_count() >= 0)
tracemalloc.start()
data = [bytes(1000) for _ in range(100)]
snapshot = tracemalloc.take_snapshot().filter_traces([tracemalloc.Filter(True, __file__)])
statistic = max(snapshot.statistics("lineno"), key=lambda s: s.size)
print(statistic.count >= 100, statistic.traceback[0].lineno)
