# sys.stdout replaced by an object with write
import sys

class Tee:
    def __init__(self, *streams):
        self.streams = streams

    def write(self, text):
        for stream in self.streams:
            stream.write(text)
        return len(text)

    def flush(self):
        for stream in self.streams:
            stream.flush()

sys.stdout = Tee(sys.__stdout__, open("tee.log", "w"))
print("to both")
for i in range(3):
    print(i, end=" ")
