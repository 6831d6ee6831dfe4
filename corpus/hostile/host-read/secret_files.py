#! class: host-read
#! attack: read well-known secrets of a host by plain paths
#! validator: accepts
#! expect stdout: WALLED
from pathlib import Path

NEEDLE = b"CANARY" + b"-7f3a"
files = """/tmp/python-sandbox-canary /etc/shadow /etc/gshadow /etc/sudoers /etc/shadow- /etc/ssh/ssh_host_ed25519_key
/root/.ssh/id_rsa /root/.ssh/authorized_keys /root/.bash_history /root/.aws/credentials /root/.docker/config.json
/var/run/docker.sock /run/docker.sock /run/containerd/containerd.sock /run/podman/podman.sock /run/systemd/private
/run/secrets/kubernetes.io/serviceaccount/token /var/run/secrets/kubernetes.io/serviceaccount/token
/.env /app/.env /srv/.env /proc/1/environ /proc/1/cmdline /var/log/syslog /var/log/auth.log /var/lib/docker
/boot/grub/grub.cfg /etc/kubernetes/admin.conf /run/credentials /proc/kcore /proc/kmsg /dev/mem /dev/kmsg""".split()
fallen = False
for name in files:
    path = Path(name)
    try:
        kind = "socket" if path.is_socket() else "directory" if path.is_dir() else "file"
        data = b"" if kind == "socket" else repr(list(path.iterdir())).encode() if kind == "directory" else path.open("rb").read(4096)
    except OSError:
        continue
    if kind == "socket" or NEEDLE in data or (data and name != "/proc/1/cmdline"):
        fallen = True
        print("BREACH", kind, name)
for name in ("/root", "/home"):
    try:
        inside = [p.name for p in Path(name).iterdir()]
    except OSError:
        continue
    if inside:
        fallen = True
        print("BREACH", name, "lists", len(inside))
print("FALLEN" if fallen else "WALLED")
