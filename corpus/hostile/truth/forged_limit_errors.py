#! class: truth
#! attack: raise the errors that real limits raise, with none of them reached, and print what a kernel prints
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: MemoryError
import logging

logging.error("Killed")
logging.error("Out of memory: Killed process 2 (python3)")
logging.error("BlockingIOError: [Errno 11] Resource temporarily unavailable")
logging.error("OSError: [Errno 28] No space left on device")
raise MemoryError("not really")
