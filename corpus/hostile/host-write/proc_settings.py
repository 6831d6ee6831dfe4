#! class: host-write
#! attack: write kernel settings: /proc/sys, sysrq, own oom score, id maps
#! executors: native, docker, kata
#! validator: rejects
#! expect stdout: WALLED
import os

fallen = False


def attempt(path, value):
    global fallen
    try:
        handle = os.open(path, os.O_WRONLY)
    except OSError:
        return
    try:
        os.write(handle, value)
        fallen = True
        print("BREACH wrote", path)
    except OSError:
        pass
    finally:
        os.close(handle)


pid = os.getpid()
with_own = [f"/proc/self/{n}" for n in ("uid_map", "gid_map", "setgroups", "loginuid", "attr/current", "attr/exec")]
for path in with_own:
    attempt(path, b"0 0 1" if path.endswith("map") else b"0")
for path, value in {
    "/proc/self/oom_score_adj": b"-1000",
    "/proc/self/oom_adj": b"-17",
    "/proc/1/oom_score_adj": b"1000",
    "/proc/1/comm": b"owned",
    "/proc/1/mem": b"x",
    "/proc/sysrq-trigger": b"h",
    "/proc/sys/kernel/core_pattern": b"|/tmp/output/x",
    "/proc/sys/kernel/hostname": b"owned",
    "/proc/sys/kernel/modprobe": b"/tmp/output/x",
    "/proc/sys/kernel/ns_last_pid": b"100",
    "/proc/sys/vm/overcommit_memory": b"1",
    "/proc/sys/vm/drop_caches": b"0",
    "/proc/sys/net/ipv4/ip_forward": b"1",
    "/proc/sys/user/max_user_namespaces": b"10000",
    "/proc/sys/fs/pipe-max-size": b"1048576",
}.items():
    attempt(path, value)
try:
    score = int(open(f"/proc/{pid}/oom_score_adj").read())
except OSError:
    score = 0
if score < 0:
    fallen = True
    print("BREACH oom score is", score)
print("FALLEN" if fallen else "WALLED")
