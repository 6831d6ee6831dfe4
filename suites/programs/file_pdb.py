#! stdin: p value\nnext\np value * 2\nwhere\ncontinue\n
# the debugger, driven by standard input
def work(value):
    import pdb

    pdb.set_trace()
    value += 1
    return value

print(work(20))
