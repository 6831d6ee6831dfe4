# prctl(PR_GET_NO_NEW_PRIVS): then setuid bits have no effect (execve(2)); an engine's root file system has no other option.
inert = ctypes.CDLL(None).prctl(39, 0, 0, 0, 0) == 1
nosuid = [bool(os.statvfs(path).f_flag & os.ST_NOSUID) for path in ("/tmp/output", "/")]
with open("/proc/self/status") as status:
    # gVisor's files show neither.
    is_linux = "NoNewPrivs" in status.read()
if not (all(nosuid) or inert and (nosuid[0] or not is_linux)):
    broken("a file system honours setuid bits")
must_fail([("setuid(0)", lambda: os.setuid(0)), ("setgid(0)", lambda: os.setgid(0)), ("setgroups", lambda: os.setgroups([0])),
           ("setresuid", lambda: os.setresuid(0, 0, 0)), ("chown", lambda: os.chown("/tmp/output", 0, 0))])
