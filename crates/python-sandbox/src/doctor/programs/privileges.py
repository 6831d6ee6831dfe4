fields = {}
with open("/proc/self/status") as file:
    for line in file:
        name, _, value = line.partition(":")
        fields[name] = value.strip()
bad = [f"{name} {fields[name]}" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(fields.get(name, "1"), 16)]
if fields.get("NoNewPrivs") != "1":
    bad.append("no_new_privs is off")
if fields.get("Seccomp") != "2":
    bad.append("no seccomp filter")
if 0 in os.getresuid() + os.getresgid() + tuple(os.getgroups()):
    bad.append(f"ids {os.getresuid()} {os.getresgid()} {os.getgroups()}")
if bad:
    broken("; ".join(bad))
held(f"uid {os.getuid()}, no capability, no_new_privs, seccomp")
