#! class: privilege
#! attack: still be root, keep a capability, a group, or a second identity
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False


def breach(*what):
    global fallen
    fallen = True
    print("BREACH", *what)


if 0 in os.getresuid() or 0 in os.getresgid():
    breach("ids", os.getresuid(), os.getresgid())
if len(set(os.getresuid())) > 1 or len(set(os.getresgid())) > 1:
    breach("another identity is kept", os.getresuid(), os.getresgid())
if set(os.getgroups()) - {os.getgid()}:
    breach("groups", os.getgroups())
status = dict(line.rstrip("\n").split(":\t", 1) for line in open("/proc/self/status") if ":\t" in line)
for name in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
    if int(status[name], 16):
        breach(name, status[name])
if status["NoNewPrivs"] != "1":
    breach("NoNewPrivs is", status["NoNewPrivs"])
if status["Seccomp"] != "2":
    breach("Seccomp is", status["Seccomp"])
if {"0"} & set(status["Uid"].split()) or {"0"} & set(status["Gid"].split()):
    breach("status shows", status["Uid"], status["Gid"])
print("FALLEN" if fallen else "WALLED")
