#! class: artifact
#! attack: symlinks that lead in a circle, to themselves and to their own directory
#! validator: accepts
#! expect skipped: a=symlink
#! expect skipped: b=symlink
#! expect skipped: self=symlink
#! expect skipped: here=symlink
#! expect stdout: done
from pathlib import Path

Path("a").symlink_to("b")
Path("b").symlink_to("a")
Path("self").symlink_to("self")
Path("here").symlink_to(".")
print("done")
