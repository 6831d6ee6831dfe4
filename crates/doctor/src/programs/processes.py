import signal
visible = [int(name) for name in os.listdir("/proc") if name.isdigit()] if os.path.isdir("/proc") else []
if len(visible) > 8:
    broken(f"{len(visible)} processes are visible")
for pid in visible:
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            if b"doctor" in file.read():
                broken("the doctor's own process is visible")
    except OSError:
        pass
victim = int(parameter("PID"))
if victim != os.getpid() and victim not in visible:
    try:
        os.kill(victim, 0)
        broken("a process of the host can be signalled")
    except ProcessLookupError:
        pass
    except PermissionError:
        pass
for pid in visible:
    if pid in (os.getpid(), os.getppid()) and pid != 1:
        continue
    try:
        os.kill(pid, 0)
        if pid != os.getpid():
            broken(f"process {pid} can be signalled")
    except OSError:
        pass
held(f"{len(visible)} processes visible")
