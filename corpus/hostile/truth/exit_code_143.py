#! class: truth
#! attack: leave with the code that stands for SIGTERM
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 143
#! expect success: false
raise SystemExit(143)
