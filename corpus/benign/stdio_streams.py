#! forbidden: off
#! stderr: any
#! stdin: raw bytes: ä
import sys

sys.stderr.write("this goes to stderr\n")
sys.stdout.buffer.write("bytes: é\n".encode())
sys.stdout.flush()
print(sys.stdin.buffer.read())
print("isatty", sys.stdin.isatty(), sys.stdout.isatty())
