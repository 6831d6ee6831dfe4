#! class: artifact
#! attack: the same through surrogate escapes of pathlib, without importing os
#! validator: accepts
#! expect artifacts: good.txt
#! expect skipped: *=name_not_utf8
#! expect stdout: done
from pathlib import Path

Path("caf\udce9.txt").write_text("content\n")
Path("good.txt").write_text("mine\n")
print("done")
