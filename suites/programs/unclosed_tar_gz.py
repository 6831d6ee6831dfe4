# a compressed tar archive that is never closed
import io
import tarfile

def build():
    archive = tarfile.open("out.tar.gz", "w:gz")
    data = b"x" * 5000
    info = tarfile.TarInfo("x.bin")
    info.size = len(data)
    archive.addfile(info, io.BytesIO(data))
    return archive

kept = build()
print(len(kept.getmembers()))
