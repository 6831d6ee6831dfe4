# a finalizer that needs names of its module
import json

COUNT = 0

class Resource:
    def __del__(self):
        global COUNT
        COUNT += 1
        print("closing", COUNT, json.dumps({"count": COUNT}))

def make():
    return [Resource() for _ in range(3)]

held = make()
print("made", len(held))
