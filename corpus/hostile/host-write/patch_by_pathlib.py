#! class: host-write
#! attack: overwrite modules and system files with pathlib, shutil, zipfile and pandas, which the validator lets pass
#! validator: accepts
#! timeout: 20
#! expect stdout: WALLED
import json
import shutil
import sqlite3
import tempfile
import zipfile
from pathlib import Path

import numpy
import pandas as pd

fallen = False


def attempt(what, action):
    global fallen
    try:
        action()
    except (OSError, shutil.Error, sqlite3.Error):
        return
    fallen = True
    print("BREACH", what)


def touch_database(path):
    connection = sqlite3.connect(path)
    connection.execute("CREATE TABLE t (x)")


def unpack(target):
    with zipfile.ZipFile("/tmp/slip.zip", "w") as archive:
        archive.writestr("slip.txt", "x")
    zipfile.ZipFile("/tmp/slip.zip").extractall(target)


frame = pd.DataFrame({"x": [1]})
for module in (json, numpy):
    home = Path(module.__file__)
    attempt(f"write {home}", lambda: home.open("a").close())
    attempt(f"unlink {home}", lambda: home.rename(home.with_suffix(".gone")))
    attempt(f"chmod {home}", lambda: home.chmod(0o666))
    for folder in (home.parent, home.parent.parent, home.parent / "__pycache__"):
        attempt(f"touch in {folder}", lambda: (folder / "sandbox_probe.py").touch())
        attempt(f"sqlite in {folder}", lambda: touch_database(str(folder / "probe.db")))
        attempt(f"pandas in {folder}", lambda: frame.to_csv(folder / "probe.csv"))
        attempt(f"zip into {folder}", lambda: unpack(folder))
        attempt(f"temporary file in {folder}", lambda: tempfile.TemporaryFile(dir=folder).close())
for folder in map(Path, ("/", "/etc", "/usr", "/usr/local", "/var", "/run", "/root", "/home", "/opt", "/dev", "/proc", "/sys", "/mnt", "/srv")):
    attempt(f"mkdir in {folder}", lambda: (folder / "sandbox-probe").mkdir())
    attempt(f"write in {folder}", lambda: (folder / "sandbox-probe.txt").write_text("x"))
print("FALLEN" if fallen else "WALLED")
