# the program fails while a file is open
def parse(path):
    file = open(path, "w")
    file.write("before the failure\n")
    return int("twelve")

parse("partial.txt")
