"""Proves the finished tree from inside: every package loads and works, and mixed text is drawn, with no warning.

Runs in the new root file system, read-only but for an empty `/tmp`, with the environment that programs get.
"""

import importlib.metadata
import io
import logging
import os
import pathlib
import sys
import time
import warnings

warnings.simplefilter("error")

# What the guest agent does in every sandbox: the skeleton's entries appear in /tmp.
skeleton = pathlib.Path("/usr/share/python-sandbox/skel")
for source in skeleton.rglob("*"):
    target = pathlib.Path("/tmp") / source.relative_to(skeleton)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.symlink_to(source)


class Refuse(logging.Handler):
    """A library that complains in its log has failed too."""

    def emit(self, record):
        raise RuntimeError(record.getMessage())


logging.getLogger().addHandler(Refuse(logging.WARNING))


def check_standard_library():
    import asyncio
    import bz2
    import ctypes
    import decimal
    import hashlib
    import json
    import locale
    import lzma
    import sqlite3
    import ssl
    import tempfile
    import threading
    import uuid
    import zlib
    import zoneinfo

    assert sys.prefix == sys.base_prefix == "/usr", sys.prefix
    assert not [path for path in sys.path if path and not path.startswith("/usr/")], sys.path
    assert json.__cached__.startswith("/usr/") and os.path.exists(json.__cached__), json.__cached__
    assert json.loads.__code__.co_filename == json.__file__, json.loads.__code__.co_filename
    assert sys.getfilesystemencoding() == "utf-8"
    locale.setlocale(locale.LC_ALL, "")
    assert zoneinfo.ZoneInfo("Asia/Tokyo").key
    os.environ["TZ"] = "Asia/Tokyo"
    time.tzset()
    assert time.timezone == -9 * 3600
    # The C library loads libgcc_s only when a thread ends in this way.
    worker = threading.Thread(target=lambda: None)
    worker.start()
    worker.join()
    modules = [asyncio, bz2, ctypes, decimal, hashlib, lzma, sqlite3, ssl, tempfile, uuid, zlib]
    assert all(modules)


def check_packages():
    import numpy
    import openpyxl
    import pandas
    import PIL.Image
    import PIL.ImageDraw
    import PIL.ImageFont
    import requests
    import scipy.fft
    import scipy.integrate
    import scipy.interpolate
    import scipy.linalg
    import scipy.optimize
    import scipy.signal
    import scipy.sparse.linalg
    import scipy.spatial
    import scipy.stats

    matrix = numpy.array([[3.0, 1.0], [1.0, 2.0]])
    assert numpy.allclose(numpy.linalg.solve(matrix, [9, 8]), [2, 3])
    assert abs(scipy.optimize.brentq(lambda x: x * x - 2, 0, 2) - 2**0.5) < 1e-9
    book = io.BytesIO()
    pandas.DataFrame({"city": ["東京", "서울"], "n": [1, 2]}).to_excel(book, index=False)
    assert openpyxl.load_workbook(book).active["A2"].value == "東京"
    image = PIL.Image.new("RGB", (64, 32))
    PIL.ImageDraw.Draw(image).text((0, 0), "中", font=PIL.ImageFont.truetype("NotoSansCJKjp-Regular.otf", 16))
    assert image.getbbox()
    assert requests.Request("GET", "http://example.invalid/").prepare().url
    assert os.path.exists(requests.certs.where())


def check_plots():
    import matplotlib
    import matplotlib.pyplot as plt

    assert matplotlib.get_backend().lower() == "agg", matplotlib.get_backend()
    text = "café 中文 日本語 한국어"
    for style in ["default", "ggplot"]:
        with plt.style.context(style):
            figure, axes = plt.subplots()
            axes.set_title(text)
            axes.plot([1, 2], label=text)
            axes.legend()
            for kind in ["png", "svg", "pdf"]:
                figure.savefig(io.BytesIO(), format=kind)
            plt.close(figure)
    plt.rcParams["font.sans-serif"] = ["SimHei"]
    plt.figure().text(0, 0, text)
    plt.savefig(io.BytesIO())
    # The prepared cache was used, not replaced by a new search.
    assert all(path.is_symlink() for path in pathlib.Path("/tmp/.matplotlib").glob("fontlist-*.json"))


check_standard_library()
check_packages()
check_plots()
print(len(list(importlib.metadata.distributions())))
