#! forbidden: off
#! files: log.txt,rows.csv
# What a program holds when it ends still finds its modules and helpers, and what it wrote is written.
import atexit
import builtins
import csv
import json
import os
import sys
import types


def helper(word):
    return word.upper() + str(len(os.sep))


class Farewell:
    def __init__(self, word):
        self.word = word

    def __del__(self):
        print(helper(self.word), json.dumps([self.word]))


def suspended():
    try:
        yield 1
    finally:
        print("closed", os.path.basename("/a/b"))


class Row:
    def __init__(self, path):
        self.file = open(path, "w", newline="")
        self.writer = csv.writer(self.file)

    def __del__(self):
        self.writer.writerow(["last", helper("row")])
        self.file.close()
        print("rows", os.stat("rows.csv").st_size)


strange = types.ModuleType("strange")
strange.__getattr__ = lambda name: 1 / 0
sys.modules["strange"] = strange
globals()[1] = "a key that is no name"
builtins.log = open("log.txt", "w")
builtins.log.write("kept")
atexit.register(lambda: print("atexit first"))
generator = suspended()
next(generator)
row = Row("rows.csv")
farewell = Farewell("bye")
farewell.itself = farewell
print("end of the text")
