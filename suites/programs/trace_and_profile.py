# sys.settrace, setprofile and cProfile
import cProfile
import io
import pstats
import sys

calls = []

def tracer(frame, event, arg):
    calls.append((event, frame.f_code.co_name))
    return tracer

def work():
    total = 0
    for i in range(2):
        total += i
    return total

sys.settrace(tracer)
work()
sys.settrace(None)
print(calls)
profile = cProfile.Profile()
profile.runcall(work)
out = io.StringIO()
pstats.Stats(profile, stream=out).print_stats()
print("function calls" in out.getvalue())
