#! class: truth
#! attack: an exit handler that fails, and one that prints success, do not change an uncaught error
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: the true error
import atexit

atexit.register(lambda: print('{"success": true}'))
atexit.register(lambda: 1 / 0)
raise RuntimeError("the true error")
