#! class: host-read
#! attack: reach os from the empty tuple through __subclasses__, then read secrets
#! validator: accepts
#! expect stdout: WALLED
NEEDLE = "CANARY" + "-7f3a"
fallen = False
system = None
for kind in ().__class__.__base__.__subclasses__():
    names = getattr(getattr(kind, "__init__", None), "__globals__", None)
    if names and "environ" in names and "listdir" in names:
        system = names
        break
if system:
    for name, value in dict(system["environ"]).items():
        if NEEDLE in value or name.startswith(("STORAGE_", "DOCKER_", "CANARY")):
            fallen = True
            print("BREACH variable", name)
    for path in ("/proc/1/environ", "/etc/shadow", "/tmp/python-sandbox-canary", "/root", "/proc/1/root"):
        try:
            handle = system["open"](path, system["O_RDONLY"]) if "O_RDONLY" in system else -1
        except OSError:
            continue
        if handle >= 0:
            try:
                if system["stat"](path).st_mode & 0o170000 == 0o040000:
                    fallen = fallen or bool(system["listdir"](path))
                elif system["read"](handle, 64):
                    fallen = True
                    print("BREACH", path)
            except OSError:
                pass
print("FALLEN" if fallen else "WALLED")
