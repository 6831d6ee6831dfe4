# a zip archive that is never closed
import zipfile

archive = zipfile.ZipFile("out.zip", "w")

def add(name, text):
    archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), text)

add("a.txt", "first")
add("b/c.txt", "second" * 100)
print(archive.namelist())
