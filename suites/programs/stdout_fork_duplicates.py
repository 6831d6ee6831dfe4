# a fork copies what is buffered
import os

print("buffered before the fork")
pid = os.fork()
if pid == 0:
    print("child")
    raise SystemExit(0)
os.waitpid(pid, 0)
print("parent")
