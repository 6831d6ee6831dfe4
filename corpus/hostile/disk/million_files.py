#! class: disk
#! attack: a million empty files: no bytes, but an inode each
#! validator: accepts
#! timeout: 30
#! expect kind: disk_limit, exited, out_of_memory
#! expect success: false
#! expect stdout-lacks: million
from pathlib import Path

Path("/tmp/many").mkdir()
for number in range(1_000_000):
    open(f"/tmp/many/{number}", "w").close()
print("a million files")
