#! class: truth
#! attack: abort
#! validator: rejects
#! expect kind: signal
#! expect exit_code: 134
#! expect success: false
import os

os.abort()
