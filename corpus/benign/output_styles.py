import pprint
from operator import attrgetter, itemgetter

print("no newline", end="")
print()
print("a", "b", "c", sep=" | ")
print("tab\tand\\backslash \x1b[31mred\x1b[0m")
print("\r carriage")
pprint.pprint({"name": "x" * 30, "values": list(range(30)), "nested": {"k": ["y" * 20] * 3}}, width=60)
table = [("tea", 2.5), ("coffee", 3.25)]
print("\n".join(f"{name:.<12}{price:.>8.2f}" for name, price in sorted(table, key=itemgetter(1))))
print(sorted([complex(2, 1), complex(1, 5)], key=attrgetter("real")), repr("it's"), ascii("é"))
print(flush=True)
print("last line has no newline", end="")
