#! class: host-read
#! attack: use a descriptor that the service or the agent left open
#! validator: rejects
#! expect stdout: WALLED
import os
import stat

fallen = False
listing = os.open("/proc/self/fd", os.O_RDONLY | os.O_DIRECTORY)
harmless = ("/dev/null", "/dev/urandom", "/dev/random")
for name in os.listdir(listing):
    number = int(name)
    if number <= 2 or number == listing:
        continue
    try:
        mode = os.fstat(number).st_mode
        target = os.readlink(f"/proc/self/fd/{number}")
    except OSError:
        continue  # the descriptor of the listing itself
    if target not in harmless:
        fallen = True
        print(f"BREACH descriptor {number} type {stat.S_IFMT(mode):o} is {target}")
# The three that are there must not lead to a host file or a terminal.
for number in range(3):
    try:
        mode = os.fstat(number).st_mode
    except OSError:
        continue
    target = os.readlink(f"/proc/self/fd/{number}")
    if not (stat.S_ISFIFO(mode) or stat.S_ISSOCK(mode) or target == "/dev/null" or target.startswith(("/tmp/", "/memfd:"))):
        fallen = True
        print(f"BREACH descriptor {number} is {target}")
print("FALLEN" if fallen else "WALLED")
