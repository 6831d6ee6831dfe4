# read and write in one file, unclosed
file = open("records.bin", "w+b")
for i in range(300):
    file.write(i.to_bytes(4, "big"))
file.seek(40)
print(int.from_bytes(file.read(4), "big"))
file.seek(80)
file.write(b"\xff\xff\xff\xff")

def check():
    return file.tell()

print(check())
