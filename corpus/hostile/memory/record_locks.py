#! class: memory
#! attack: record locks by the thousand, each kernel memory that no control group counts
#! validator: rejects
#! executors: native, docker, kata
#! timeout: 20
#! expect stdout: WALLED
#! expect within: 25
import errno
import fcntl
import os
import struct

# Well above what a right program holds, well below what the host would notice.
MANY = 4096
LAYOUT = "hhqqi4x"


def lock(descriptor, start, kind=fcntl.F_WRLCK, command=fcntl.F_SETLK):
    fcntl.fcntl(descriptor, command, struct.pack(LAYOUT, kind, os.SEEK_SET, start, 1, 0))


def take(descriptors, most):
    """As many as there are to be had, every second byte so that no two become one; whether they ended with ENOLCK."""
    held = 0
    while held < most:
        for descriptor in descriptors:
            try:
                lock(descriptor, 2 * held)
            except OSError as error:
                return held, error.errno == errno.ENOLCK
            held += 1
    return held, False


fallen = False
files = [os.memfd_create("one"), os.open("/tmp/locked", os.O_RDWR | os.O_CREAT)]
held, refused = take(files, MANY)
if not refused:
    fallen = True
    print("BREACH", held, "locks of one process")
# A child has no locks of its own yet; what all of them hold together counts.
reader, writer = os.pipe()
if os.fork() == 0:
    more, _ = take([os.memfd_create("two")], MANY)
    os.write(writer, b"%d" % more)
    os._exit(0)
os.close(writer)
more = int(os.read(reader, 16))
os.wait()
if held + more > MANY // 2:
    fallen = True
    print("BREACH", held, "and", more, "locks of two processes")
# A thread that outlives the first one: what the process shows by its own number is empty then.
reader, writer = os.pipe()
if os.fork() == 0:
    import ctypes
    import threading

    def outlive():
        os.read(reader, 1)
        held, refused = take([os.memfd_create("three")], MANY)
        os.write(result, b"%d" % (0 if refused else held))
        os._exit(0)

    answer, result = os.pipe()
    if os.fork() == 0:
        threading.Thread(target=outlive).start()
        os.write(writer, b"1")
        ctypes.CDLL(None).syscall({"x86_64": 60, "aarch64": 93}[os.uname().machine], 0)
    os.close(result)
    os._exit(0 if os.read(answer, 16) == b"0" else 1)
if os.wait()[1]:
    fallen = True
    print("BREACH locks of a thread whose process has lost its first")
# Locks of open file descriptions could not be counted.
try:
    lock(os.open("/tmp/other", os.O_RDWR | os.O_CREAT), 0, command=fcntl.F_OFD_SETLK)
    fallen = True
    print("BREACH lock of an open file description")
except OSError as error:
    if error.errno != errno.EINVAL:
        fallen = True
        print("BREACH", error)
# Once they are gone, locks work as before.
for descriptor in files:
    os.close(descriptor)
again = os.open("/tmp/locked", os.O_RDWR)
for _ in range(100):
    try:
        lock(again, 0)
        lock(again, 0, fcntl.F_UNLCK)
        break
    except OSError:
        import time

        time.sleep(0.05)
else:
    fallen = True
    print("BREACH locks never work again")
print("FALLEN" if fallen else "WALLED")
