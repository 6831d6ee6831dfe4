# reconfigure and its effects
import sys

sys.stdout.reconfigure(encoding="latin-1", errors="xmlcharrefreplace")
print(sys.stdout.encoding, "grüße €")
sys.stdout.reconfigure(encoding="utf-8", newline="\r\n", line_buffering=True)
print("two\nlines")
