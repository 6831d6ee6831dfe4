#! class: truth
#! attack: leave with the code that stands for a timeout
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 124
#! expect success: false
raise SystemExit(124)
