places = ["/", "/etc", "/usr", "/usr/lib", "/var", "/home", "/root", "/opt", "/dev", "/dev/shm", "/run", "/proc", "/proc/sys/kernel", "/sys",
          "/sys/fs/cgroup", "/var/tmp", "/bin", os.path.dirname(os.__file__), os.path.dirname(sys.executable), "/tmp/.."]
# Links that lead to /tmp, such as /dev/shm, are inside.
places = [place for place in places if not (os.path.realpath(place) + "/").startswith("/tmp/")]
# A container has its own small tmpfs there, which ends with it.
shared = os.statvfs("/dev/shm") if os.path.isdir("/dev/shm") else None
if "/dev/shm" in places and shared and shared.f_frsize * shared.f_blocks <= 16 << 20:
    places.remove("/dev/shm")
for place in places:
    try:
        with open(os.path.join(place, "doctor"), "w"):
            broken(f"a file was made in {place}")
    except OSError:
        pass
with open("/tmp/output/here", "w") as file:
    file.write("x")
os.unlink("/tmp/output/here")
held(f"{len(places)} places refused, /tmp/output works")
