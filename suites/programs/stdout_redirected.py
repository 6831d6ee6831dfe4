# redirect_stdout and redirect_stderr
import contextlib
import io
import sys

buffer = io.StringIO()
with contextlib.redirect_stdout(buffer), contextlib.redirect_stderr(buffer):
    print("captured")
    print("captured too", file=sys.stderr)
print(repr(buffer.getvalue()))
with open("captured.txt", "w") as file, contextlib.redirect_stdout(file):
    print("into a file")
    help(len)
