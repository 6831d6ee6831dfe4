# generators and async generators alive at the end
def numbers(name):
    try:
        yield 1
        yield 2
    finally:
        print("closed", name)

one = numbers("one")
next(one)
kept = [numbers("in list")]
next(kept[0])

def never():
    try:
        yield 1
    except GeneratorExit:
        print("GeneratorExit seen")
        raise

n = never()
next(n)
print("end")
