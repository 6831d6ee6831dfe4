#! class: artifact
#! attack: a child keeps swapping a file, a directory and a symlink of the host under the same name
#! validator: rejects
#! expect within: 12
#! expect artifacts: any
#! expect stdout: done
import os
import time

os.mkdir("folder")
for name in ("a.txt", "folder/passwd"):
    with open(name, "w") as handle:
        handle.write("mine\n")
os.symlink("/tmp/python-sandbox-canary", "link")
os.symlink("/etc", "link-to-folder")
for _ in range(2):
    if os.fork() == 0:
        os.setsid()
        while True:
            for a, b in (("a.txt", "link"), ("folder", "link-to-folder")):
                try:
                    os.rename(a, "swap" + a)
                    os.rename(b, a)
                    os.rename("swap" + a, b)
                except OSError:
                    pass
time.sleep(0.2)
print("done", flush=True)
os._exit(0)
