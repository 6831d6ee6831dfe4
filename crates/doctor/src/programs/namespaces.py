flags = dict(user=0x10000000, mount=0x00020000, pid=0x20000000, net=0x40000000, ipc=0x08000000, uts=0x04000000, cgroup=0x02000000)
made = [name for name, flag in flags.items() if call("unshare", flag) is None]
if made:
    broken("made: " + ", ".join(made))
if (answer := call("clone3", ctypes.create_string_buffer(88), 88)) != "ENOSYS":
    broken(f"clone3 says {answer}, so libc would not fall back to clone")
all_refused([("setns", (0, 0))])
