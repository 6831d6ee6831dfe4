#! class: host-write
#! attack: escape through cgroup files: release_agent, own limits, cgroup.procs
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False
places = ["/sys/fs/cgroup", "/sys/fs/cgroup/memory", "/sys/fs/cgroup/unified", "/sys/fs/cgroup/pids", "/sys/fs/cgroup/cpu"]
for line in open("/proc/self/mountinfo"):
    if " - cgroup" in line:
        places.append(line.split()[4])
for line in open("/proc/self/cgroup") if os.path.exists("/proc/self/cgroup") else ():
    hierarchy, controllers, path = line.strip().split(":", 2)
    places += [f"/sys/fs/cgroup/{controllers}{path}", f"/sys/fs/cgroup{path}"]
for place in dict.fromkeys(places):
    for name in ("release_agent", "notify_on_release", "cgroup.procs", "tasks", "memory.limit_in_bytes", "memory.max", "pids.max",
                 "cpu.cfs_quota_us", "cpu.max", "memory.oom_control", "cgroup.kill", "cgroup.freeze", "devices.allow"):
        try:
            os.close(os.open(f"{place}/{name}", os.O_WRONLY))
            fallen = True
            print("BREACH", f"{place}/{name}")
        except OSError:
            pass
    try:
        os.mkdir(f"{place}/sandbox-probe")
        fallen = True
        print("BREACH made a cgroup in", place)
        os.rmdir(f"{place}/sandbox-probe")
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
