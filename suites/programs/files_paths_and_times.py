# pathlib, shutil, glob, stat, os.walk
import filecmp
import glob
import os
import shutil
import stat
from pathlib import Path

base = Path("tree/a/b")
base.mkdir(parents=True)
for number in range(3):
    (base / f"f{number}.txt").write_text("x" * number, encoding="utf-8")
shutil.copytree("tree/a", "tree/copy")
os.utime("tree/copy/b/f1.txt", (0, 10 ** 9))
print(sorted(glob.glob("tree/**/*.txt", recursive=True)), filecmp.cmp("tree/a/b/f1.txt", "tree/copy/b/f1.txt"))
print(stat.filemode(os.stat("tree/a/b/f2.txt").st_mode), os.stat("tree/copy/b/f1.txt").st_mtime, oct(os.umask(0o022)))
for folder, folders, files in sorted(os.walk("tree")):
    print(folder, sorted(folders), sorted(files))
shutil.make_archive("packed", "zip", "tree")
os.symlink("packed.zip", "link")
print(os.readlink("link"), Path("link").resolve().name, shutil.disk_usage(".").total > 0)
shutil.rmtree("tree/copy")
try:
    open("/etc/hosts", "w")
except OSError as error:
    print(type(error).__name__)
