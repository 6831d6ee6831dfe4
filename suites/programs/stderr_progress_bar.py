# carriage returns
import sys

for percent in range(0, 101, 25):
    sys.stderr.write(f"\r{percent:3}% " + "#" * (percent // 10))
    sys.stderr.flush()
print("\rdone", "\t", "tabs", "\x1b[31mred\x1b[0m", "\a\b\v\f")
