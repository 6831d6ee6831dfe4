# an exception in a finalizer
class Bad:
    def __del__(self):
        raise RuntimeError("cannot close")

def make():
    bad = Bad()
    return None

make()
last = Bad()
print("end")
