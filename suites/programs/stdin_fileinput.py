#! stdin: one\ntwo\nthree\n
# fileinput reads standard input
import fileinput

for line in fileinput.input():
    print(fileinput.lineno(), fileinput.filename(), line.rstrip())
