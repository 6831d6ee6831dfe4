#! class: leftover
#! attack: a background child keeps stdout and stderr open for ever and says nothing
#! validator: rejects
#! expect within: 6
#! expect stdout: done
import subprocess
import sys

subprocess.Popen([sys.executable, "-c", "import time; time.sleep(10000)"], start_new_session=True)
print("done")
