# a BaseException of the program's own
class Stop(BaseException):
    """Ends everything."""

def work():
    raise Stop("by design", 42)

work()
