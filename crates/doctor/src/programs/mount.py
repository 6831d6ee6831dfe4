all_refused([("mount", (b"none", b"/tmp", b"tmpfs", 0, 0)), ("umount2", (b"/tmp", 2)), ("pivot_root", (b"/tmp", b"/tmp")),
             ("chroot", (b"/tmp",)), ("open_tree", (-100, b"/", 1)), ("fsopen", (b"tmpfs", 0)),
             ("move_mount", (-100, b"/", -100, b"/tmp", 0))])
