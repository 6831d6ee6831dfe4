#! class: artifact
#! attack: names of 255 bytes, in letters and in characters of four bytes, inside directories as long
#! validator: accepts
#! expect artifacts: any
#! expect artifact-count: 3
#! expect stdout: done
from pathlib import Path

Path("a" * 251 + ".txt").write_text("content\n")
Path("\U0001f600" * 63 + "end").write_text("content\n")
folder = Path("d" * 255)
folder.mkdir()
(folder / ("f" * 255)).write_text("content\n")
print("done")
