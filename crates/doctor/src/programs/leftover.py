traces = ["/tmp/trace", "/tmp/output/trace", "/dev/shm/trace", "/var/tmp/trace"]
if parameter("RUN") == "1":
    for trace in traces:
        try:
            with open(trace, "w") as file:
                file.write("trace")
        except OSError:
            pass
    if os.fork() == 0:
        os.setsid()
        import time
        time.sleep(60)
    held("traces left")
found = [trace for trace in traces if os.path.exists(trace)]
if found:
    broken("the previous run left " + ", ".join(found))
processes = [name for name in os.listdir("/proc") if name.isdigit()]
if len(processes) > 4:
    broken("the previous run left processes: " + ", ".join(processes))
held("no traces of the previous run")
