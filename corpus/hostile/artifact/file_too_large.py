#! class: artifact
#! attack: a file one byte over the limit, and one of 11 MiB
#! validator: accepts
#! expect artifacts: small.txt
#! expect skipped: over.bin=too_large
#! expect skipped: eleven.bin=too_large
#! expect stdout: done
from pathlib import Path

Path("small.txt").write_text("small\n")
limit = 10 * 1024 * 1024
for name, size in (("over.bin", limit + 1), ("eleven.bin", 11 * 1024 * 1024)):
    with open(name, "wb") as handle:
        handle.write(bytes(size))
print("done")
