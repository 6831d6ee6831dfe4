# a string without its end
name = "abc
print(name)
