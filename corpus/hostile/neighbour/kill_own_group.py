#! class: neighbour
#! attack: kill(0): a process group that is shared with something outside would take it along
#! validator: rejects
#! expect kind: signal
#! expect exit_code: 137
#! expect success: false
#! expect stdout: about to
import os
import signal

print("about to", flush=True)
os.kill(0, signal.SIGKILL)
