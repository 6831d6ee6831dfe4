# a child that outlives the program
import subprocess
import sys

child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(0.1)"])
print("main ends", child.poll())
