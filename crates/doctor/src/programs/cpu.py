import time

BUSY_S = 2
# Longer than a step of the loop and shorter than a time slice: who sees no time pass for so long did not run.
GAP_S = 0.001

def time_that_ran():
    """Runs for a while, and gives the part of it in which it really ran."""
    ran, before = 0.0, time.monotonic()
    end = before + BUSY_S
    while before < end:
        now = time.monotonic()
        if now - before < GAP_S:
            ran += now - before
        before = now
    return ran

# A kernel's own account may hold time that it was kept from running itself (gVisor's does).
reader, writer = os.pipe()
for _ in range(min(int(bait("HOST_CPUS")) + 1, 8)):
    if os.fork() == 0:
        os.write(writer, f"{time_that_ran()}\n".encode())
        os._exit(0)
os.close(writer)
with open(reader) as reports:
    print("RAN", sum(map(float, reports)) / BUSY_S)
