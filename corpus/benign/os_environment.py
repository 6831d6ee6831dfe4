#! forbidden: off
#! env GREETING: grüß dich
#! env EMPTY:
import os
import sys

print(os.environ["GREETING"], repr(os.environ["EMPTY"]), os.environ.get("NOPE"))
print(os.getcwd(), os.path.join("a", "b"), os.path.exists("/no/such"), os.sep)
print("utf-8" in sys.stdout.encoding.lower(), sys.maxsize > 2**32, len(sys.argv))
os.makedirs("x/y", exist_ok=True)
print([(root, dirs, files) for root, dirs, files in os.walk(".")])
sys.stdout.write("written\n")
os.environ["CHILD"] = "1"
print(os.getenv("CHILD"), os.cpu_count() >= 1, os.getpid() > 0)
os.removedirs("x/y")
sys.exit(0)
