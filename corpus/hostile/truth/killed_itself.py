#! class: truth
#! attack: SIGKILL to itself is a signal, not a lack of memory
#! validator: accepts
#! expect kind: signal
#! expect exit_code: 137
#! expect success: false
#! expect stdout: before
import signal

print("before", flush=True)
signal.raise_signal(signal.SIGKILL)
