# print replaced, and a name put into builtins
import builtins

real_print = print

def shout(*args, **kwargs):
    real_print(*(str(arg).upper() for arg in args), **kwargs)

builtins.print = shout
builtins.helper = lambda: "helper"
print("quiet", helper())

class Last:
    def __del__(self):
        print("printed by the replacement")

last = Last()
