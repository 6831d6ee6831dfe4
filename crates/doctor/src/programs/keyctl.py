all_refused([("keyctl", (0, -3, 0)), ("add_key", (b"user", b"doctor", b"x", 1, -3)), ("request_key", (b"user", b"doctor", 0, 0))])
