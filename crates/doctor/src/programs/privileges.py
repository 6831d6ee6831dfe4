fields = {}
with open("/proc/self/status") as file:
    for line in file:
        name, _, value = line.partition(":")
        fields[name] = value.strip()
# gVisor's file lacks CapAmb, which is never more than CapPrm (capabilities(7)), and NoNewPrivs.
fields.setdefault("CapAmb", fields.get("CapPrm", "1"))
bad = [f"{name} {fields.get(name)}" for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb") if int(fields.get(name, "1"), 16)]
PR_GET_NO_NEW_PRIVS = 39
if ctypes.CDLL(None).prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) != 1:
    bad.append("no_new_privs is off")
if fields.get("Seccomp") != "2":
    bad.append("no seccomp filter")
if 0 in os.getresuid() + os.getresgid() + tuple(os.getgroups()):
    bad.append(f"ids {os.getresuid()} {os.getresgid()} {os.getgroups()}")
if bad:
    broken("; ".join(bad))
held(f"uid {os.getuid()}, no capability, no_new_privs, seccomp")
