#! class: artifact
#! attack: files and directories that even their owner may not read
#! validator: accepts
#! expect within: 12
#! expect artifacts: any
#! expect listed: locked.txt
#! expect listed: good.txt
#! expect stdout: done
from pathlib import Path

Path("good.txt").write_text("mine\n")
Path("locked.txt").write_text("locked\n")
Path("locked.txt").chmod(0)
Path("closed").mkdir()
Path("closed/inside.txt").write_text("inside\n")
Path("closed").chmod(0)
Path("odd.txt").write_text("setuid bits do not matter\n")
try:
    Path("odd.txt").chmod(0o7777)
except PermissionError:
    pass  # Setuid and setgid bits are refused where the file system alone would not ignore them.
print("done")
