#! class: artifact
#! attack: a sub-directory of the output is a symlink to a directory of the host
#! validator: accepts
#! expect artifacts: good/file.txt
#! expect skipped: etc=symlink
#! expect skipped: root=symlink
#! expect skipped: good/up=symlink
#! expect stdout: done
from pathlib import Path

Path("good").mkdir()
Path("good/file.txt").write_text("mine\n")
Path("good/up").symlink_to("../..")
Path("etc").symlink_to("/etc", target_is_directory=True)
Path("root").symlink_to("/", target_is_directory=True)
print("done")
