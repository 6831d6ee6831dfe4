#! class: artifact
#! attack: names that look like another: right-to-left override, invisible characters, leading dots and dashes, trailing blanks
#! validator: accepts
#! expect artifacts: any
#! expect listed: invoice\u202efdp.exe
#! expect listed: zero\u200bwidth.txt
#! expect listed: .hidden
#! expect listed: ...
#! expect listed: -rf
#! expect listed: ends with blanks\u0020\u0020
#! expect listed: con
#! expect listed: e\u0301.txt
#! expect stdout: done
from pathlib import Path

for name in ("invoice\u202efdp.exe", "zero\u200bwidth.txt", ".hidden", "...", "-rf", "ends with blanks  ", "con", "e\u0301.txt"):
    Path(name).write_text("content\n")
print("done")
