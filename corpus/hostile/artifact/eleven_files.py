#! class: artifact
#! attack: one file more than the limit
#! validator: accepts
#! expect artifact-count: 10
#! expect skipped: *=too_many
#! expect stdout: done
from pathlib import Path

for number in range(11):
    Path(f"file{number:02}.txt").write_text(f"{number}\n")
print("done")
