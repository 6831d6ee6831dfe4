#! class: artifact
#! attack: let libraries write outside: archives with `..` and absolute names, savefig, to_csv, make_archive
#! validator: accepts
#! timeout: 20
#! expect artifacts: any
#! expect stdout: WALLED
import io
import shutil
import tarfile
import zipfile
from pathlib import Path

import matplotlib.pyplot as plt
import pandas as pd

with tarfile.open("/tmp/slip.tar", "w") as archive:
    for name in ("../../../../etc/sandbox-probe", "/etc/sandbox-probe", "../../usr/sandbox-probe"):
        archive.addfile(tarfile.TarInfo(name), io.BytesIO())
    link = tarfile.TarInfo("out")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc"
    archive.addfile(link)
    archive.addfile(tarfile.TarInfo("out/sandbox-probe"), io.BytesIO())
with zipfile.ZipFile("/tmp/slip.zip", "w") as archive:
    archive.writestr("../../../../etc/sandbox-probe", "x")
    archive.writestr("/etc/sandbox-probe", "x")


def tar(**options):
    with tarfile.open("/tmp/slip.tar") as archive:
        for member in archive:
            try:
                archive.extract(member, "/tmp/output", **options)
            except Exception:
                pass


plt.plot([1, 2])
for action in (
    lambda: tar(),
    lambda: tar(filter="fully_trusted"),
    lambda: zipfile.ZipFile("/tmp/slip.zip").extractall("/tmp/output"),
    lambda: shutil.unpack_archive("/tmp/slip.tar", "/tmp/output"),
    lambda: plt.savefig("/etc/sandbox-probe.png"),
    lambda: plt.savefig("../../etc/sandbox-probe.png"),
    lambda: pd.DataFrame({"a": [1]}).to_csv("/etc/sandbox-probe.csv"),
    lambda: shutil.make_archive("/etc/sandbox-probe", "zip", "/tmp/output"),
):
    try:
        action()
    except Exception:
        pass
fallen = False
for folder in ("/etc", "/usr", "/"):
    for path in Path(folder).glob("sandbox-probe*"):
        fallen = True
        print("BREACH", path)
print("FALLEN" if fallen else "WALLED")
