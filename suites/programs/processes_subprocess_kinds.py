# run, check_output, Popen, timeouts, env and cwd
import os
import subprocess
import sys

py = sys.executable
print(subprocess.check_output([py, "-c", "print(6 * 7)"], text=True).strip())
run = subprocess.run([py, "-c", "import sys; sys.stderr.write('e'); sys.exit(3)"], capture_output=True)
print(run.returncode, run.stdout, run.stderr)
try:
    subprocess.run([py, "-c", "import time; time.sleep(9)"], timeout=0.2)
except subprocess.TimeoutExpired as error:
    print("timeout", round(error.timeout, 2))
try:
    subprocess.run([py, "-c", "raise SystemExit(2)"], check=True)
except subprocess.CalledProcessError as error:
    print("failed", error.returncode)
print(subprocess.run([py, "-c", "import os; print(os.environ['X'])"], env={**os.environ, "X": "y"}, stdout=subprocess.PIPE).stdout)
try:
    subprocess.run(["no-such-command"])
except FileNotFoundError as error:
    print(error.filename)
