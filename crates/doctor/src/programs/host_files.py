path = parameter("CANARY_FILE")
ways = [path, "/proc/1/root" + path, "/proc/self/root" + path, "/proc/self/cwd/../../../../../.." + path,
        "/proc/1/cwd/../../../.." + path, "/../../.." + path, "/tmp/../../.." + path]
for number in range(0, 32):
    ways.append(f"/proc/self/fd/{number}/../../../../.." + path)
for way in ways:
    try:
        with open(way, "rb") as file:
            broken(f"the host's file was read through {way}")
    except OSError:
        pass
for secret in ("/etc/shadow", "/root/.ssh", "/proc/1/environ", "/proc/1/mem", "/proc/kcore", "/proc/kallsyms", "/dev/mem", "/dev/sda",
               "/sys/firmware", "/proc/sys/kernel/core_pattern", "/proc/keys", "/proc/timer_list"):
    try:
        # If it is masked, as in containers, it is an empty directory or the null device.
        if (os.listdir if os.path.isdir(secret) else lambda p: open(p, "rb").read(1))(secret):
            broken(f"{secret} can be read")
    except OSError:
        pass
held(f"{len(ways)} ways refused")
