#! class: cpu
#! attack: never end after some output and a finished file: both must be returned, also what was not flushed
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
#! expect stdout-contains: step 1 of 3
#! expect artifacts: partial.txt
from pathlib import Path

Path("partial.txt").write_text("finished before\n")
print("step 1 of 3")
while True:
    pass
