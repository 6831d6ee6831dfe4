#! class: host-write
#! attack: change a standard library module and a package for the next run
#! validator: rejects
#! then: find_patched_stdlib.py
#! expect stdout: WALLED
import json
import os
import shutil
import sys
import sysconfig

import numpy

MARK = "\nSANDBOX_WAS_HERE = True\n"
fallen = False


def attempt(what, action):
    global fallen
    try:
        action()
    except (OSError, shutil.Error):
        return
    fallen = True
    print("BREACH", what)


def append(path):
    with open(path, "a") as handle:
        handle.write(MARK)


for module in (json, os, numpy):
    path = module.__file__
    attempt("append to " + path, lambda: append(path))
    attempt("replace " + path, lambda: os.replace(shutil.copy(path, "/tmp/copy.py"), path))
    attempt("rename " + path, lambda: os.rename(path, path + ".old"))
    attempt("remove " + path, lambda: os.truncate(path, os.path.getsize(path)))
    attempt("link over " + path, lambda: os.symlink("/tmp/copy.py", path + ".link"))
    attempt("chmod " + path, lambda: os.chmod(path, 0o777))
    attempt("utime " + path, lambda: os.utime(path))
    attempt("attribute of " + path, lambda: os.setxattr(path, "user.mark", b"1"))
for folder in {sysconfig.get_paths()[k] for k in ("stdlib", "purelib", "platlib", "scripts")} | {sys.prefix, os.path.dirname(sys.executable)}:
    for name in ("sitecustomize.py", "usercustomize.py", "evil.pth", "__pycache__/json.cpython-311.pyc"):
        target = os.path.join(folder, name)
        attempt("create " + target, lambda: append(target))
for target in ("/etc/ld.so.preload", "/etc/ld.so.cache", "/etc/passwd", "/etc/profile", "/usr/bin/python3", sys.executable):
    attempt("append to " + target, lambda: append(target))
print("FALLEN" if fallen else "WALLED")
