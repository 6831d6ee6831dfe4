#! stdin: binary \u00fc data\n
# descriptor 0 opened again
with open(0, "rb", closefd=False) as file:
    print(file.read())
import os
print(os.read(0, 10), os.isatty(0))
