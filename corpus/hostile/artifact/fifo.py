#! class: artifact
#! attack: a FIFO in the output: whoever opens it waits for ever
#! validator: rejects
#! expect within: 12
#! expect artifacts: good.txt
#! expect skipped: pipe.txt=fifo
#! expect skipped: sub/pipe.bin=fifo
#! expect stdout: done
import os

os.mkfifo("pipe.txt")
os.mkdir("sub")
os.mkfifo("sub/pipe.bin", 0o777)
with open("good.txt", "w") as handle:
    handle.write("mine\n")
print("done")
