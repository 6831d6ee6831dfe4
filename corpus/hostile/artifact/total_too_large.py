#! class: artifact
#! attack: six files, each within its limit, together over the limit for all
#! validator: accepts
#! timeout: 20
#! expect artifact-count: 5
#! expect skipped: *=total_too_large
#! expect stdout: done
block = bytes(65536)
for number in range(6):
    with open(f"part{number}.bin", "wb") as handle:
        for _ in range(156):
            handle.write(block)
print("done")
