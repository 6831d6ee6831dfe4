#! class: artifact
#! attack: the output directory itself is replaced by a symlink to a directory of the host
#! validator: rejects
#! expect within: 12
#! expect stdout: done
import os
import shutil

os.chdir("/tmp")
try:
    shutil.rmtree("/tmp/output")
except OSError:
    pass
try:
    os.rename("/tmp/output", "/tmp/elsewhere")
except OSError:
    pass
try:
    os.symlink("/etc", "/tmp/output")
except OSError:
    pass
print("done")
