#! class: service
#! attack: an exception with a text of five megabytes
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-truncated: true
raise ValueError("x" * 5_000_000)
