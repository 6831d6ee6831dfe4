#! class: host-write
#! attack: open memory, disks and other devices, or make the nodes for them
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import os
import stat

# null, zero, full, random, urandom, and what a container has beside them: tty, ptmx, pts.
HARMLESS = {(1, 3), (1, 5), (1, 7), (1, 8), (1, 9), (5, 0), (5, 2)}
fallen = False
for root, folders, files in os.walk("/dev"):
    if root.startswith("/dev/shm"):
        continue
    for name in files:
        path = os.path.join(root, name)
        try:
            info = os.stat(path)
        except OSError:
            continue
        if stat.S_ISBLK(info.st_mode):
            fallen = True
            print("BREACH block device", path)
        device = os.major(info.st_rdev), os.minor(info.st_rdev)
        if stat.S_ISCHR(info.st_mode) and device not in HARMLESS and device[0] != 136:
            try:
                os.close(os.open(path, os.O_RDONLY | os.O_NONBLOCK))
                fallen = True
                print("BREACH opened", path, device)
            except OSError:
                pass
for name, kind, device in (("mem", stat.S_IFCHR, (1, 1)), ("kmsg", stat.S_IFCHR, (1, 11)), ("vda", stat.S_IFBLK, (254, 0)),
                           ("sda", stat.S_IFBLK, (8, 0)), ("loop0", stat.S_IFBLK, (7, 0)), ("null", stat.S_IFCHR, (1, 3))):
    for folder in ("/tmp", "/tmp/output", "/dev", "/dev/shm"):
        path = f"{folder}/made-{name}"
        try:
            os.mknod(path, kind | 0o666, os.makedev(*device))
        except OSError:
            continue
        fallen = True
        print("BREACH made", path)
        os.unlink(path)
for name in ("mem", "kmem", "port", "kvm", "fuse", "net/tun", "vhost-vsock", "loop-control", "mapper/control", "vsock", "dri/card0"):
    try:
        os.close(os.open("/dev/" + name, os.O_RDWR | os.O_NONBLOCK))
        fallen = True
        print("BREACH /dev/" + name)
    except OSError:
        pass
print("FALLEN" if fallen else "WALLED")
