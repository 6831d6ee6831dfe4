# os.fork, waitpid and pipes
import os

reader, writer = os.pipe()
pid = os.fork()
if pid == 0:
    os.close(reader)
    os.write(writer, b"from the child")
    os._exit(5)
os.close(writer)
print(os.read(reader, 100))
_, status = os.waitpid(pid, 0)
print(os.waitstatus_to_exitcode(status))
