#! class: disk
#! attack: claim space without writing: fallocate, truncate, a larger RLIMIT_FSIZE
#! validator: rejects
#! expect stdout: WALLED
import os
import resource

fallen = False
for limit in (resource.RLIM_INFINITY, 1 << 50):
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
        if resource.getrlimit(resource.RLIMIT_FSIZE)[0] > 1 << 30 and limit != resource.RLIM_INFINITY:
            break
    except (OSError, ValueError):
        pass
handle = os.open("/tmp/claim", os.O_CREAT | os.O_RDWR)
for size in (1 << 40, 1 << 33, 1 << 30, 200 << 20):
    try:
        os.posix_fallocate(handle, 0, size)
    except OSError:
        continue
    fallen = True
    print("BREACH claimed", size)
os.ftruncate(handle, 0)
try:
    os.ftruncate(handle, 1 << 40)
    # A hole is no claim, but what is read from it must not become memory or disk.
    if os.fstat(handle).st_blocks * 512 > 1 << 20:
        fallen = True
        print("BREACH a hole takes space")
except OSError:
    pass
os.unlink("/tmp/claim")
print("FALLEN" if fallen else "WALLED")
