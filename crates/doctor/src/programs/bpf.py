all_refused([("bpf", (0, ctypes.create_string_buffer(64), 64)), ("perf_event_open", (ctypes.create_string_buffer(128), 0, -1, -1, 0)),
             ("userfaultfd", (0,))])
