# the directory of the program is the first of the path
import os
import sys

print(os.path.realpath(sys.path[0]) == os.path.dirname(os.path.realpath(__file__)))
print(len(sys.path), sys.flags.isolated, sys.flags.no_site, sys.flags.utf8_mode, sys.flags.dont_write_bytecode)
