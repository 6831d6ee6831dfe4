#! class: truth
#! attack: crash the interpreter by reading address 0
#! validator: rejects
#! expect kind: signal
#! expect exit_code: 139
#! expect success: false
#! expect stdout-contains: before
import ctypes

print("before", flush=True)
ctypes.string_at(0)
