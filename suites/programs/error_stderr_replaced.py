# stderr is a file of the program
import sys

sys.stderr = open("errors.txt", "w")
print("goes to the file", file=sys.stderr)
1 / 0
