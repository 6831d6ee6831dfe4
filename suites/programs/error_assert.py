# an assertion with text
values = [1, 2, 3]
assert sum(values) == 7, f"sum is {sum(values)}, expected 7"
