# a file name that is not UTF-8, printed
import os

open(b"na\xffme.txt", "w").close()
print(sorted(name for name in os.listdir(".") if name.startswith("na")))
for name in os.listdir("."):
    if name.startswith("na"):
        print(name)
