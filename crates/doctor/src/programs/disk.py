limit = int(parameter("DISK_BYTES"))
written = 0
try:
    for part in range(1, 1000):
        with open(f"/tmp/output/{part}", "wb", buffering=0) as file:
            for _ in range(8):
                written += file.write(b"x" * (1 << 20))
                if written > limit + (8 << 20):
                    broken(f"{written} bytes written with a limit of {limit}")
except OSError as error:
    held(f"{written} bytes, then {errno.errorcode.get(error.errno)}")
broken(f"{written} bytes written")
