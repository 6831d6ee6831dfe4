# a function put into another module holds the program's globals
import json
import os

original = json.dumps
file = open("patched.txt", "w")

def patched(*args, **kwargs):
    file.write("called\n")
    return original(*args, **kwargs)

json.dumps = patched
os.my_callback = lambda: file.write("never")
print(json.dumps({"a": 1}))
