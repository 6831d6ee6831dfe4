# SystemExit caught and its code used
import sys

for code in (0, None, "text", 9, (1, 2)):
    try:
        sys.exit(code)
    except SystemExit as stop:
        print(repr(stop.code))
print("end")
