#! class: truth
#! attack: leave with the code that stands for out of memory or SIGKILL
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 137
#! expect success: false
raise SystemExit(137)
