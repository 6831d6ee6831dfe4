#! class: truth
#! attack: recursion through C code with the recursion limit lifted
#! validator: rejects
#! timeout: 15
#! expect kind: signal, out_of_memory, exited
#! expect success: false
import sys

sys.setrecursionlimit(2**31 - 1)


class Endless:
    def __repr__(self):
        return repr([self])

    def __eq__(self, other):
        return [self] == [other]


print(Endless() == Endless())
