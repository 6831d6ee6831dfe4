#! class: artifact
#! attack: an output file is a symlink to a file of the host
#! validator: accepts
#! expect artifacts: good.txt
#! expect skipped: absolute.txt=symlink
#! expect skipped: relative.txt=symlink
#! expect skipped: own.txt=symlink
#! expect skipped: dangling.txt=symlink
#! expect stdout: done
from pathlib import Path

Path("good.txt").write_text("mine\n")
Path("absolute.txt").symlink_to("/tmp/python-sandbox-canary")
Path("relative.txt").symlink_to("../../../../../../etc/passwd")
Path("own.txt").symlink_to("good.txt")
Path("dangling.txt").symlink_to("/no/such/file")
print("done")
