#! class: artifact
#! attack: a full /tmp, and thousands of files with the longest paths in it, so that listing them takes more memory than is left
#! executors: native
#! validator: rejects
#! timeout: 20
#! expect kind: exited
#! expect exit_code: 0
#! expect artifact-count: 10
#! expect skipped: *=too_many
#! expect stdout: done
import os

space = os.open("/tmp/space", os.O_CREAT | os.O_RDWR)
try:
    os.posix_fallocate(space, 0, 62 << 20)
except OSError:
    pass
os.chdir("/tmp/output")
for _ in range(15):
    os.mkdir("d" * 255)
    os.chdir("d" * 255)
try:
    for number in range(20_000):
        os.close(os.open(f"{number:05}" + "f" * 230, os.O_CREAT | os.O_WRONLY))
except OSError:
    pass
os.write(1, b"done\n")
os._exit(0)
