#! class: cpu
#! attack: a power that takes hours, in one C call
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
pow(3, (1 << 200000) - 1, (1 << 200001) - 1)
