#! class: truth
#! attack: overwrite the interpreter's own objects: the type of an object becomes a wild pointer
#! validator: rejects
#! expect kind: signal
#! expect exit_code: 139
#! expect success: false
import ctypes


class Victim:
    pass


victim = Victim()
pointer = ctypes.c_size_t.from_address(id(victim) + ctypes.sizeof(ctypes.c_size_t))
print("before", flush=True)
pointer.value = 0x10
print(victim)
