import time
end = time.monotonic() + 2
for _ in range(min(int(bait("HOST_CPUS")) + 1, 8)):
    if os.fork() == 0:
        while time.monotonic() < end:
            pass
        os._exit(0)
while True:
    try:
        os.wait()
    except ChildProcessError:
        break
