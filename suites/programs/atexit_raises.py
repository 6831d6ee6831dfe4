# an exception in an atexit handler
import atexit

def broken():
    {}["nothing"]

atexit.register(print, "still runs")
atexit.register(broken)
print("main ends")
