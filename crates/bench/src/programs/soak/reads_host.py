import glob

seen = []
for pattern in ("/etc/shadow", "/root/*", "/home/*", "/proc/1/environ", "/var/lib/*", "/sys/fs/cgroup/*"):
    for path in glob.glob(pattern):
        try:
            with open(path, "rb") as file:
                file.read(1)
            seen.append(path)
        except OSError:
            pass
print(seen)
