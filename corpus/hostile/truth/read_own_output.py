#! class: truth
#! attack: read from the output streams, write to the input: a stream that goes both ways lets a program forge
#! validator: rejects
#! expect stdout: WALLED
import fcntl
import os
import select

fallen = False
for number in (1, 2):
    os.set_blocking(number, False)
    try:
        if select.select([number], [], [], 0)[0] and os.read(number, 1) is not None:
            fallen = True
            os.write(1, b"BREACH read from an output stream\n")
    except OSError:
        pass
    os.set_blocking(number, True)
try:
    if os.write(0, b"x"):
        fallen = True
        print("BREACH wrote to the input")
except OSError:
    pass
for number in (0, 1, 2):
    for mode in (os.O_RDONLY, os.O_WRONLY, os.O_RDWR):
        try:
            again = os.open(f"/proc/self/fd/{number}", mode | os.O_NONBLOCK)
            if fcntl.fcntl(again, fcntl.F_GETFL) & os.O_ACCMODE == os.O_RDONLY and number:
                os.read(again, 1)
            os.close(again)
        except OSError:
            pass
print("FALLEN" if fallen else "WALLED")
