# weakref.finalize at the end and before it
import weakref

class Box:
    pass

def bye(name):
    print("finalize", name)

one, two = Box(), Box()
weakref.finalize(one, bye, "one")
late = weakref.finalize(two, bye, "two")
quiet = weakref.finalize(Box, bye, "class")
quiet.atexit = False
del one
print(late.alive)
