# a report is written by a function and never closed
def total(values):
    return sum(values)

report = open("report.txt", "w")
report.write("total: %d\n" % total([1, 2, 3]))
print("saved")
