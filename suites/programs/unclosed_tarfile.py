# a tar archive that is never closed
import io
import tarfile

archive = tarfile.open("out.tar", "w")

def add(name, data):
    info = tarfile.TarInfo(name)
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))

add("hello.txt", b"hello")
add("world.bin", bytes(range(256)))
print(archive.getnames())
