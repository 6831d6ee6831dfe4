#! class: artifact
#! attack: the output directory is removed while it is the working directory
#! validator: accepts
#! expect within: 12
#! expect stdout: done
from pathlib import Path

try:
    Path("/tmp/output").rmdir()
except OSError:
    pass
print("done")
