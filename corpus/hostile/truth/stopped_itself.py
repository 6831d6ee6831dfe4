#! class: truth
#! attack: stop itself with SIGSTOP: a clock that counts the program's time would stop too
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
#! expect stdout: before
import signal

print("before", flush=True)
signal.raise_signal(signal.SIGSTOP)
print("after")
