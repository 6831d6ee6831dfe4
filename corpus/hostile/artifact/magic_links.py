#! class: artifact
#! attack: symlinks through /proc, which mean something else to whoever follows them, and to endless devices
#! validator: accepts
#! expect skipped: environ.txt=symlink
#! expect skipped: first.txt=symlink
#! expect skipped: rooted.txt=symlink
#! expect skipped: endless.bin=symlink
#! expect skipped: input.txt=symlink
#! expect stdout: done
from pathlib import Path

Path("environ.txt").symlink_to("/proc/self/environ")
Path("first.txt").symlink_to("/proc/1/environ")
Path("rooted.txt").symlink_to("/proc/self/root/tmp/python-sandbox-canary")
Path("endless.bin").symlink_to("/dev/zero")
Path("input.txt").symlink_to("/proc/self/fd/0")
print("done")
