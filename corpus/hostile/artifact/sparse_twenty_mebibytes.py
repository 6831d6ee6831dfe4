#! class: artifact
#! attack: a sparse file just over the limit takes no space but counts by its bytes
#! validator: accepts
#! expect artifacts: good.txt
#! expect skipped: sparse.bin=too_large
#! expect stdout: done
from pathlib import Path

Path("good.txt").write_text("mine\n")
with open("sparse.bin", "wb") as handle:
    handle.truncate(20 * 1024 * 1024)
print("done")
