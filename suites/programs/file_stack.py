# the frames of the program and no more
import inspect
import sys
import traceback

def inner():
    print([frame.function for frame in inspect.stack()])
    traceback.print_stack()
    frame, depth = sys._getframe(), 0
    while frame:
        frame, depth = frame.f_back, depth + 1
    print(depth)

def outer():
    inner()

outer()
print(sys._getframe().f_back)
