#! class: host-read
#! attack: let libraries open host files: numpy, pandas, sqlite3, linecache, PIL, tarfile, configparser, xml entities
#! validator: accepts
#! timeout: 20
#! expect stdout: WALLED
import configparser
import linecache
import sqlite3
import tarfile
import tokenize
import xml.sax
import zipfile

import numpy as np
import pandas as pd
from PIL import Image

NEEDLE = "CANARY" + "-7f3a"
fallen = False


def ini(path):
    parser = configparser.ConfigParser(strict=False, allow_no_value=True)
    return parser.read(path) and parser.sections()


def entity(path):
    seen = []

    class Keep(xml.sax.ContentHandler):
        def characters(self, content):
            seen.append(content)

    parser = xml.sax.make_parser()
    parser.setFeature(xml.sax.handler.feature_external_ges, True)
    parser.setContentHandler(Keep())
    parser.feed(f'<!DOCTYPE a [<!ENTITY e SYSTEM "file://{path}">]><a>&e;</a>')
    return "".join(seen)


def attach(path):
    database = sqlite3.connect(":memory:")
    database.execute("ATTACH ? AS host", (path,))
    return database.execute("SELECT name FROM host.sqlite_master").fetchall()


readers = {
    "numpy": lambda p: np.fromfile(p, dtype=np.uint8).tobytes(),
    "loadtxt": lambda p: np.loadtxt(p, dtype=str, comments=None, delimiter="\x01"),
    "memmap": lambda p: np.memmap(p, mode="r").tobytes(),
    "pandas": lambda p: pd.read_csv(p, sep="\x01", header=None, engine="python").to_string(),
    "linecache": lambda p: linecache.getlines(p),
    "tokenize": lambda p: tokenize.open(p).read(),
    "sqlite": attach,
    "ini": ini,
    "pillow": lambda p: Image.open(p).size,
    "tar": lambda p: tarfile.open(p).getnames(),
    "zip": lambda p: zipfile.ZipFile(p).namelist(),
    "xml entity": entity,
}
for path in ("/tmp/python-sandbox-canary", "/etc/shadow", "/proc/1/environ", "/root/.bash_history"):
    for reader, read in readers.items():
        try:
            data = read(path)
        except Exception:
            continue
        # Some of these answer with nothing, or with an empty list, instead of an error.
        if NEEDLE in str(data) or (isinstance(data, (str, bytes)) and data):
            fallen = True
            print("BREACH", reader, path)
print("FALLEN" if fallen else "WALLED")
