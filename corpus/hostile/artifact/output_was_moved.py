#! class: artifact
#! attack: the output directory is moved away and another put in its place, with a symlink on the way
#! validator: accepts
#! expect within: 12
#! expect artifacts: any
#! expect stdout: done
from pathlib import Path

output = Path("/tmp/output")
(output / "before.txt").write_text("before\n")
try:
    output.rename("/tmp/moved")
    Path("/tmp/real").mkdir()
    (Path("/tmp/real") / "after.txt").write_text("after\n")
    (Path("/tmp/real") / "link").symlink_to("/etc/passwd")
    Path("/tmp/real").rename(output)
except OSError:
    pass
print("done")
