# warnings of the compiler
value = 5
if value is 5:
    print("identical")
text = "\d+"
print(text)
assert (value, "always true")
