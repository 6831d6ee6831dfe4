#! class: artifact
#! attack: the output directory is replaced by a FIFO
#! validator: rejects
#! expect within: 12
#! expect stdout: done
import os

os.chdir("/tmp")
try:
    os.rmdir("/tmp/output")
    os.mkfifo("/tmp/output")
except OSError:
    pass
print("done")
