import json
target = json.__file__
def remount():
    answer = call("mount", b"", b"/", 0, 32, 0)  # MS_REMOUNT without MS_RDONLY
    if answer:
        raise OSError(answer)
must_fail([("open for writing", lambda: open(target, "r+b")), ("remove", lambda: os.unlink(target)),
           ("replace", lambda: os.rename("/tmp/output", target)), ("make writable", lambda: os.chmod(target, 0o666)),
           ("hard link and write", lambda: open(os.link(target, "/tmp/output/l") or "/tmp/output/l", "r+b")), ("mount again", remount)])
