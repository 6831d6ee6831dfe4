# what threads know of themselves
import os
import threading

main = threading.main_thread()
print(main.native_id == threading.get_native_id() == os.getpid(), main.ident == threading.get_ident(), main.is_alive())
print([thread.name for thread in threading.enumerate()])
