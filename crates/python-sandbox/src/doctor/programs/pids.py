limit = int(bait("PIDS_MAX"))
children = 0
try:
    while children < limit + 16:
        if os.fork() == 0:
            import time
            time.sleep(20)
            os._exit(0)
        children += 1
except OSError as error:
    held(f"{children} more processes, then {errno.errorcode.get(error.errno)}")
broken(f"{children} processes with a limit of {limit}")
