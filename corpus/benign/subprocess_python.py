#! forbidden: off
import subprocess
import sys

done = subprocess.run([sys.executable, "-c", "print(6 * 7)"], capture_output=True, text=True, check=True)
print(done.stdout.strip(), done.returncode)
done = subprocess.run([sys.executable, "-c", "import sys; sys.exit(sys.stdin.read().count('a'))"], input="banana", text=True)
print(done.returncode)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
try:
    child.wait(timeout=0.3)
except subprocess.TimeoutExpired:
    child.kill()
    print("killed", child.wait())
try:
    subprocess.run(["/no/such/program"])
except FileNotFoundError:
    print("no such program")
