#! class: memory
#! attack: let a child take the memory, so that the program itself lives to say that all is well
#! validator: rejects
#! timeout: 20
#! expect kind: out_of_memory, signal, exited
#! expect success: false
#! expect stdout-lacks: child lived
import subprocess
import sys

done = subprocess.run([sys.executable, "-c", "x = bytearray()\nwhile len(x) < 1 << 30: x += bytes(range(256)) * 4096"])
if done.returncode:
    sys.exit(f"child ended with {done.returncode}")
print("child lived")
