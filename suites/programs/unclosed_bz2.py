# bz2 in binary, never closed
import bz2

class Sink:
    def __init__(self, path):
        self.file = bz2.BZ2File(path, "w")

    def put(self, text):
        self.file.write(text.encode())

sink = Sink("data.bz2")
for i in range(500):
    sink.put(f"record {i}\n")
print("done")
