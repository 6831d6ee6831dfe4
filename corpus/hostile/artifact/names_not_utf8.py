#! class: artifact
#! attack: names that are not UTF-8: stray bytes, a surrogate, a directory of that kind
#! validator: rejects
#! expect artifacts: good.txt
#! expect skipped: *=name_not_utf8
#! expect stdout: done
import os

for name in (b"latin-\xe9.txt", b"\xff\xfe", b"cut-\xf0\x9f\x98", b"surrogate-\xed\xa0\x80", b"overlong-\xc0\xaf..\xc0\xaf"):
    with open(name, "w") as handle:
        handle.write("content\n")
os.mkdir(b"folder-\x80")
with open(b"folder-\x80/inside.txt", "w") as handle:
    handle.write("content\n")
with open("good.txt", "w") as handle:
    handle.write("mine\n")
print("done")
