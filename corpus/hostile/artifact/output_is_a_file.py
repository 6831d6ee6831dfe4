#! class: artifact
#! attack: the output directory is replaced by a file, by nothing, by a directory nobody may enter
#! validator: accepts
#! expect within: 12
#! expect stdout: done
from pathlib import Path

output = Path("/tmp/output")
try:
    output.rmdir()
    output.write_text("a file now\n")
except OSError:
    pass
print("done")
