import threading, time
limit = int(parameter("PIDS_MAX"))
count = 0
try:
    while count < limit + 16:
        # A few are processes. Threads count the same, and use less of another limit, memory.
        if count < min(8, limit // 4):
            if os.fork() == 0:
                time.sleep(20)
                os._exit(0)
        else:
            threading.Thread(target=time.sleep, args=(20,), daemon=True).start()
        count += 1
except (OSError, RuntimeError) as error:
    held(f"{count} more processes and threads, then {error}")
# If nothing refuses the process beyond the limit, the program has to be ended for it.
time.sleep(1)
broken(f"{count} processes and threads with a limit of {limit}")
