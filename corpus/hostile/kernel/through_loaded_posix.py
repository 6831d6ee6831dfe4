#! class: kernel
#! attack: the table of loaded modules holds posix and its like: forbidden calls with the validator on
#! executors: native, docker, kata
#! validator: accepts
#! expect stdout: WALLED
import warnings

fallen = False
loaded = vars(warnings)["sys"].modules
calls = {
    "posix": (("unshare", (0x10000000,)), ("setns", (0,)), ("setuid", (0,)), ("setgroups", ([0],)), ("chroot", ("/tmp",)), ("mknod", ("/tmp/null", 0o20666, 259)),
              ("kill", (1, 9)), ("setpriority", (0, 0, -20)), ("readlink", ("/proc/1/exe",)), ("open", ("/etc/sandbox-probe", 0o101))),
    "_socket": (("socket", (2, 1)), ("socket", (1, 1)), ("getaddrinfo", ("example.org", 80))),
}  # fmt: skip
for name, attempts in calls.items():
    module = loaded.get(name)
    for call, arguments in attempts:
        function = getattr(module, call, None)
        if function is None:
            continue
        try:
            function(*arguments)
        except OSError:
            continue
        fallen = True
        print("BREACH", name, call)
print("FALLEN" if fallen else "WALLED")
