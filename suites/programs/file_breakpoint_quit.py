#! stdin: list\nquit\n
# breakpoint() and quit
x = 1
breakpoint()
x = 2
print(x)
