#! class: truth
#! attack: replace every timer and the signals that timers send, then never end
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
import resource
import signal

for number in (signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF, signal.SIGXCPU, signal.SIGTERM):
    signal.signal(number, lambda *_: None)
for timer in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
    signal.setitimer(timer, 0)
signal.alarm(0)
try:
    resource.setrlimit(resource.RLIMIT_CPU, resource.getrlimit(resource.RLIMIT_CPU)[1:] * 2)
except (OSError, ValueError):
    pass
while True:
    try:
        while True:
            pass
    except BaseException:
        continue
