# detach and an own buffer
import io
import sys

raw = sys.stdout.detach()
out = io.TextIOWrapper(io.BufferedWriter(raw.detach(), 16), encoding="ascii", errors="backslashreplace", write_through=False)
sys.stdout = out
print("detached ✓", type(raw).__name__)
