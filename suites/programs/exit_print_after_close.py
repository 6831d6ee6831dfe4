# print after closing stdout
import sys

sys.stdout.close()
print("nobody hears this")
