#! class: truth
#! attack: send SIGSYS to itself, as a filter that kills would: no call was denied
#! validator: accepts
#! expect kind: signal, denied_syscall
#! expect exit_code: 159
#! expect success: false
import signal

signal.signal(signal.SIGSYS, signal.SIG_DFL)
signal.raise_signal(signal.SIGSYS)
