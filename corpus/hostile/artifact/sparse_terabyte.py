#! class: artifact
#! attack: a sparse file of one terabyte: cheap to make, endless to read
#! validator: accepts
#! expect within: 15
#! expect artifacts: good.txt
#! expect stdout: done
from pathlib import Path

Path("good.txt").write_text("mine\n")
for size in (1 << 40, 1 << 36, 1 << 32):
    try:
        with open("sparse.bin", "wb") as handle:
            handle.truncate(size)
        break
    except OSError:
        Path("sparse.bin").unlink()
print("done")
