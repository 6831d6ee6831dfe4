# both streams, unbuffered and buffered
import sys

for number in range(5):
    print("out", number)
    print("err", number, file=sys.stderr, end="" if number == 4 else "\n")
sys.stderr.write("no newline")
