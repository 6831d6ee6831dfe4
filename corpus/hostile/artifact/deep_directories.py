#! class: artifact
#! attack: directories nested deeper than any path can name, with a file at the bottom
#! validator: rejects
#! timeout: 20
#! expect within: 30
#! expect artifacts: good.txt
#! expect skipped: *=too_deep
#! expect stdout: done
import os

with open("good.txt", "w") as handle:
    handle.write("mine\n")
name = "d" * 100
handle = os.open(".", os.O_RDONLY)
try:
    for _ in range(3000):
        os.mkdir(name, dir_fd=handle)
        below = os.open(name, os.O_RDONLY, dir_fd=handle)
        os.close(handle)
        handle = below
except OSError:
    pass  # out of inodes: deep enough
try:
    os.close(os.open("bottom.txt", os.O_CREAT | os.O_WRONLY, 0o644, dir_fd=handle))
except OSError:
    pass
print("done")
