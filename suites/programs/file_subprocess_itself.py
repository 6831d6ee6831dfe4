# the program starts itself with an argument
import subprocess
import sys

if len(sys.argv) > 1:
    print("child", sys.argv[1:])
    sys.exit(4)
run = subprocess.run([sys.executable, __file__, "one", "two"], capture_output=True, text=True)
print(run.returncode, run.stdout.strip(), run.stderr.strip())
