#! class: cpu
#! attack: a regular expression that tries for ever inside C code, where no Python signal handler runs
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
import re

print("matching", flush=True)
re.match(r"(a+)+$", "a" * 60 + "b")
