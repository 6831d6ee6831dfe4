#! class: disk
#! attack: directories without end, each inside the last
#! validator: rejects
#! timeout: 30
#! expect kind: disk_limit, exited, out_of_memory, timeout
#! expect success: false
#! expect stdout-lacks: bottomless
import os

os.mkdir("/tmp/deep")
os.chdir("/tmp/deep")
for _ in range(1_000_000):
    os.mkdir("d")
    os.chdir("d")
print("bottomless")
