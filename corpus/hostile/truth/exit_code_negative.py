#! class: truth
#! attack: a negative exit code must not pass for the service's own -1
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 255
#! expect success: false
raise SystemExit(-1)
