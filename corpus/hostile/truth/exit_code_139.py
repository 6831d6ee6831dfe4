#! class: truth
#! attack: leave with the code that stands for a segmentation fault
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 139
#! expect success: false
raise SystemExit(139)
