#! stdin: 3 4\n5 6\n\n7 8
# lines of sys.stdin without a final newline
import sys

for number, line in enumerate(sys.stdin, 1):
    print(number, repr(line), sum(map(int, line.split())))
print(repr(sys.stdin.read()), sys.stdin.buffer.read())
