# print with end="" and separators
import sys

print("a", "b", sep="", end="")
print("c", end="|")
sys.stdout.write("d")
print(flush=True)
print("no newline at the end", end="")
