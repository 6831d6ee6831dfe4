#! files: exact.bin
# Exactly as large as the limit allows: 10 MiB.
size = 10 * 1024 * 1024
with open("exact.bin", "wb") as handle:
    for _ in range(size // 65536):
        handle.write(bytes(65536))
print(open("exact.bin", "rb").seek(0, 2) == size)
