#! class: artifact
#! attack: file names with newlines, tabs, escape sequences and other control characters
#! validator: accepts
#! expect artifacts: any
#! expect listed: line\nbreak.txt
#! expect listed: escape\u001b[31mred.txt
#! expect listed: tab\there\u0007.txt
#! expect listed: \u0001\u007f\u0085.txt
#! expect stdout: done
from pathlib import Path

for name in ("line\nbreak.txt", "escape\x1b[31mred.txt", "tab\there\a.txt", "\x01\x7f\x85.txt"):
    Path(name).write_text("content\n")
print("done")
