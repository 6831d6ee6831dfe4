all_refused([("init_module", (b"", 0, b"")), ("delete_module", (b"x", 0)), ("kexec_load", (0, 0, 0, 0)), ("reboot", (0, 0, 0)),
             ("swapon", (b"/tmp", 0)), ("settimeofday", (0, 0)), ("personality", (0x0040000,)),
             ("open_by_handle_at", (-100, ctypes.create_string_buffer(32), 0))])
