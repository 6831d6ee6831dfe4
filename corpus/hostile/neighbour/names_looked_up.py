#! class: neighbour
#! attack: leave bits in the kernel's cache of names that do not exist, for the run after this one
#! validator: rejects
#! executors: native
#! then: names_remembered.py
#! expect stdout: WALLED
import ctypes
import os

access = ctypes.CDLL(None).access
for folder in (os.path.dirname(os.__file__), "/usr", "/"):
    for bit, value in enumerate("".join(f"{byte:08b}" for byte in b"leaked")):
        if value == "1":
            for copy in range(9):
                access(f"{folder}/left-{bit}.{copy}".encode(), 0)
print("WALLED")
