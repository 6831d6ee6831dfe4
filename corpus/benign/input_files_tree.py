#! input config/settings.toml: bmFtZSA9ICJkZW1vIgpsZXZlbHMgPSBbMSwgMiwgM10K
#! input notes.txt: Zmlyc3QgbGluZQpzZWNvbmQgbGluZQo=
#! files: result.txt
import tomllib
from pathlib import Path

settings = tomllib.loads(Path("config/settings.toml").read_text())
lines = Path("notes.txt").read_text().splitlines()
Path("result.txt").write_text(f"{settings['name']}: {len(lines)} lines\n")
print(settings, lines)
print(Path("result.txt").read_text(), end="")
