# a csv writer whose file is never closed
import csv

def rows():
    for number in range(1, 6):
        yield {"n": number, "square": number ** 2, "name": f"row {number}, quoted"}

writer = csv.DictWriter(open("squares.csv", "w", newline=""), ["n", "square", "name"])
writer.writeheader()
writer.writerows(rows())
print("written")
