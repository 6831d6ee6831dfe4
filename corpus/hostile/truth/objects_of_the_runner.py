#! class: truth
#! attack: find files, sockets and selectors that the runner keeps open among all objects of the interpreter
#! validator: rejects
#! expect stdout: WALLED
import gc
import io
import select
import socket

fallen = False
for item in gc.get_objects():
    try:
        if isinstance(item, (io.FileIO, io.BufferedWriter, io.BufferedReader, io.TextIOWrapper, socket.socket, select.epoll)):
            if not item.closed and item.fileno() > 2:
                fallen = True
                print("BREACH", type(item).__name__, item.fileno())
    except (ValueError, OSError, ReferenceError):
        pass
print("FALLEN" if fallen else "WALLED")
