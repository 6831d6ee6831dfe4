#! class: truth
#! attack: leave with a text in place of a number
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: nothing went wrong
raise SystemExit("nothing went wrong")
