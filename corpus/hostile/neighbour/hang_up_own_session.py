#! class: neighbour
#! attack: hang up the whole session and group with signals that ask, not force
#! validator: accepts
#! expect stdout: WALLED
import posix
import signal

for number in (signal.SIGHUP, signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1, signal.SIGCONT):
    signal.signal(number, lambda *_: None)
    posix.kill(0, number)
    try:
        posix.kill(-1, number)
    except OSError:
        pass
print("WALLED")
