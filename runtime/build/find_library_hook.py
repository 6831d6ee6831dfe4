
# --- python-sandbox: what follows is not CPython's.
# CPython runs ldconfig, gcc or ld to find a library's name, and a sandbox has none of them. Here the libraries are in
# one directory, under the names that the loader uses.


def find_library(name):
    import glob
    import re

    wanted = re.compile(r"lib%s\.so(\.[0-9]+)*" % re.escape(name))
    for folder in [*glob.glob("/usr/lib/*-linux-gnu*"), "/usr/lib64", "/usr/lib"]:
        try:
            found = sorted(file for file in os.listdir(folder) if wanted.fullmatch(file))
        except OSError:
            continue
        if found:
            return found[-1]
    return None
