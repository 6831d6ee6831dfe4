# what lies in the working directory
import os
from pathlib import Path

print(os.listdir("."), Path.cwd())
Path("made").mkdir()
(Path("made") / "x.txt").write_text("x")
print(sorted(str(path) for path in Path(".").rglob("*") if path.name != "main.py"))
