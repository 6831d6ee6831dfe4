# the program reads its own file
text = open(__file__).read()
print(text.count("\n"), text.splitlines()[0])
