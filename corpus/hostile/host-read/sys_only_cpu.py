#! class: host-read
#! attack: learn about the host through /sys: hardware, serial numbers, cgroups, block devices
#! executors: native
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False
for root, folders, files in os.walk("/sys"):
    for name in folders + files:
        path = os.path.join(root, name)
        # Only what says how many processors there are may be seen, and the folders that lead to it.
        if not (path.startswith("/sys/devices/system/cpu") or "/sys/devices/system/cpu".startswith(path)):
            fallen = True
            print("BREACH", path)
            break
for path in ("/sys/fs/cgroup", "/sys/kernel/debug", "/sys/class/dmi/id/product_serial", "/sys/class/net", "/sys/block", "/sys/firmware"):
    if os.path.exists(path):
        fallen = True
        print("BREACH", path)
print("FALLEN" if fallen else "WALLED")
