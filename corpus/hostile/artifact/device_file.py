#! class: artifact
#! attack: a device node in the output
#! validator: rejects
#! expect stdout: WALLED
import os
import stat

fallen = False
for name, kind, device in (("memory", stat.S_IFCHR, os.makedev(1, 1)), ("zero", stat.S_IFCHR, os.makedev(1, 5)), ("whiteout", stat.S_IFCHR, 0), ("disk", stat.S_IFBLK, os.makedev(254, 0))):
    try:
        os.mknod(name, kind | 0o666, device)
    except OSError:
        continue
    # The kernel lets everyone make 0:0, which is no device but a mark of overlayfs.
    if name != "whiteout":
        fallen = True
        print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
