#! class: truth
#! attack: an exit code over 255: the system keeps its low byte, which is 0
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 0
#! expect success: true
raise SystemExit(256)
