#! class: artifact
#! attack: thousands of small files and empty directories, so that the list itself is the weapon
#! validator: accepts
#! timeout: 20
#! expect within: 30
#! expect artifact-count: 10
#! expect skipped: *=too_many
#! expect stdout: done
from pathlib import Path

try:
    for number in range(3000):
        Path("x" * 200 + f"{number:05}").touch()
    for number in range(1000):
        Path(f"directory{number}").mkdir()
except OSError:
    pass
print("done")
