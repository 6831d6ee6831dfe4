#! files: all.tar.gz, all.zip, copy.zip
import bz2
import gzip
import io
import lzma
import shutil
import tarfile
import zipfile
from pathlib import Path

work = Path("/tmp/source")
(work / "sub").mkdir(parents=True)
(work / "a.txt").write_text("alpha\n" * 50)
(work / "sub" / "b.txt").write_text("beta\n")

with zipfile.ZipFile("all.zip", "w", zipfile.ZIP_DEFLATED) as archive:
    for path in sorted(work.rglob("*.txt")):
        archive.write(path, path.relative_to(work))
with zipfile.ZipFile("all.zip") as archive:
    print(archive.namelist(), archive.testzip(), archive.read("sub/b.txt"))
with tarfile.open("all.tar.gz", "w:gz") as archive:
    archive.add(work, arcname="source")
with tarfile.open("all.tar.gz") as archive:
    print(sorted(archive.getnames()))
    print(archive.extractfile("source/a.txt").read(6))
print(sorted(n for n in zipfile.ZipFile(shutil.make_archive("copy", "zip", work)).namelist() if not n.endswith("/")))
raw = b"compress me " * 200
for module in (gzip, bz2, lzma):
    packed = module.compress(raw)
    print(module.__name__, len(packed) < len(raw), module.decompress(packed) == raw)
buffer = io.BytesIO()
with gzip.open(buffer, "wt") as handle:
    handle.write("text in gzip")
print(gzip.decompress(buffer.getvalue()))
