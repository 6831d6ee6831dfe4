# A program that reads when nothing was sent must see the end at once, not wait.
try:
    print(repr(input()))
except EOFError:
    print("no input")
print(repr(open(0, closefd=False).read()))
