#! files: a/b/deep.txt, a/one.csv, renamed.txt
import shutil
import tempfile
from pathlib import Path, PurePosixPath

here = Path.cwd()
print(here, list(here.iterdir()))
(here / "a" / "b").mkdir(parents=True)
(here / "a" / "one.csv").write_text("x,y\n1,2\n")
(here / "a" / "b" / "deep.txt").write_text("deep\n")
(here / "draft.txt").write_text("final\n")
(here / "draft.txt").rename(here / "renamed.txt")
print(sorted(str(p.relative_to(here)) for p in here.rglob("*") if p.is_file()))
print(sorted(p.name for p in here.glob("**/*.csv")), Path("a/one.csv").stat().st_size)
print(PurePosixPath("/x/y.tar.gz").suffixes, Path("a/../a").resolve().name, Path("q.txt").with_suffix(".md"))
with tempfile.TemporaryDirectory() as folder:
    inner = Path(folder) / "scratch.bin"
    inner.write_bytes(bytes(range(256)))
    shutil.copy(inner, Path(folder) / "copy.bin")
    print(sorted(p.name for p in Path(folder).iterdir()), len(inner.read_bytes()))
print(Path(folder).exists(), tempfile.gettempdir())
with tempfile.NamedTemporaryFile("w+", suffix=".txt") as handle:
    handle.write("hello")
    handle.seek(0)
    print(handle.read(), Path(handle.name).suffix)
with tempfile.SpooledTemporaryFile(max_size=10) as handle:
    handle.write(b"more than ten bytes")
    handle.seek(0)
    print(handle.read())
shutil.copytree("a", "/tmp/copied")
shutil.rmtree("/tmp/copied")
print(Path("/tmp/copied").exists(), shutil.disk_usage("/tmp").total > 0)
