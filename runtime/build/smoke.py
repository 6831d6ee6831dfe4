"""Checks the finished tree from inside: every package loads and works, and mixed text is drawn, without warnings.

Runs in the new root file system, read-only except for an empty `/tmp`, with the environment that programs get.
"""

import importlib.metadata
import importlib.util
import io
import logging
import os
import pathlib
import sys
import time
import warnings

warnings.simplefilter("error")

# As the guest agent does in every sandbox: the skeleton's entries appear in /tmp.
skeleton = pathlib.Path("/usr/share/python-sandbox/skel")
for source in skeleton.rglob("*"):
    target = pathlib.Path("/tmp") / source.relative_to(skeleton)
    if source.is_dir():
        target.mkdir(exist_ok=True)
    else:
        target.symlink_to(source)


class Refuse(logging.Handler):
    """A library that logs a warning has failed, too."""

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
    # The C library loads libgcc_s only when a thread ends this way.
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


def is_there(name):
    return importlib.util.find_spec(name) is not None


def check_documents():
    import bs4
    import docx
    import jinja2
    import lxml.etree
    import orjson
    import pandas
    import pptx
    import psutil
    import pypdf
    import pytz
    import tabulate
    import tqdm
    import xlrd
    import yaml

    table = pandas.DataFrame({"city": ["東京"], "n": [1]})
    for engine in ["openpyxl", "xlsxwriter"]:
        table.to_excel(io.BytesIO(), engine=engine)
    assert "東京" in table.to_markdown() and "<table" in table.style.to_html()
    assert bs4.BeautifulSoup("<p>a<b>c", "lxml").b.text == "c" and lxml.etree.fromstring("<a/>").tag == "a"
    docx.Document().save(io.BytesIO())
    pptx.Presentation().save(io.BytesIO())
    pypdf.PdfWriter().write(io.BytesIO())
    assert orjson.loads(orjson.dumps({"a": 1})) == yaml.safe_load("{a: 1}") == {"a": 1}
    assert pytz.timezone("Asia/Tokyo") and jinja2.Template("{{ 1 }}").render() == "1"
    assert all([psutil, tabulate, tqdm, xlrd])


def check_full_list():
    """For the list `full`: does nothing if it is not installed."""
    if not is_there("sklearn"):
        return
    import networkx
    import numpy
    import pandas
    import plotly.express
    import pyarrow.parquet
    import pydantic
    import reportlab.pdfgen.canvas
    import sklearn.datasets
    import sklearn.linear_model
    import statsmodels.api
    import sympy

    table = pandas.DataFrame({"a": [1, 2, 3], "b": [2.0, 4.0, 6.5]})
    columns = io.BytesIO()
    table.to_parquet(columns)
    assert pandas.read_parquet(columns).equals(table)
    model = sklearn.linear_model.LinearRegression().fit(table[["a"]], table["b"])
    fit = statsmodels.api.OLS(table["b"], statsmodels.api.add_constant(table[["a"]])).fit()
    assert numpy.allclose(model.coef_[0], fit.params["a"])
    assert sklearn.datasets.load_iris().data.shape == (150, 4)
    x = sympy.Symbol("x")
    assert sympy.integrate(x, x) == x**2 / 2
    assert networkx.shortest_path_length(networkx.path_graph(4), 0, 3) == 3
    assert "plotly" in plotly.express.line(table, x="a", y="b").to_html()
    page = io.BytesIO()
    canvas = reportlab.pdfgen.canvas.Canvas(page)
    canvas.drawString(72, 72, "hello")
    canvas.save()
    import pdfplumber

    with pdfplumber.open(page) as document:
        assert document.pages[0].extract_text() == "hello"
    assert pydantic.TypeAdapter(int).validate_python("1") == 1
    import IPython.core.formatters

    assert IPython.core.formatters.HTMLFormatter()(table)


TEXT = "café 中文 日本語 한국어 αβγ Жук हिन्दी ไทย বাংলা தமிழ் 😀 🚀 ≤ ✓ ★"
CJK = "Noto Sans CJK JP"
GENERIC = ["sans-serif", "serif", "monospace", "cursive", "fantasy"]
# Some names of each kind, CJK first; all are in fonts.py.
CJK_NAMES = """
SimHei|SimSun|KaiTi|FangSong|STSong|STHeiti|STKaiti|Songti SC|Heiti SC|PingFang SC|PingFang TC|PingFang HK|Microsoft YaHei
Microsoft JhengHei|PMingLiU|MingLiU|Batang|Gulim|Dotum|Malgun Gothic|Noto Sans CJK SC|Noto Sans CJK TC|Noto Sans CJK JP
Noto Sans CJK KR|WenQuanYi Zen Hei|WenQuanYi Micro Hei|Hiragino Sans|IPAexGothic|NanumGothic|Source Han Sans CN|Arial Unicode MS
"""
OTHER_NAMES = {
    "DejaVu Sans": "Arial|Helvetica|Verdana|Calibri|Segoe UI|Roboto|Comic Sans MS|Tahoma|Open Sans",
    "DejaVu Serif": "Georgia|Cambria|Garamond|Palatino",
    "STIXGeneral": "Times New Roman|Times",
    "DejaVu Sans Mono": "Courier New|Courier|Consolas|Menlo|Monaco",
}


def names(text):
    return [name for line in text.split("\n") for name in line.split("|") if name]


def draw(plt, text=TEXT, kinds=("png",), **properties):
    """A figure with the text in every possible position. A missing glyph is a warning, and so an error here."""
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.set_title(text, **properties)
    axes.set_xlabel(text)
    axes.plot([1, 2], label=text)
    axes.legend()
    for kind in kinds:
        figure.savefig(io.BytesIO(), format=kind)
    plt.close(figure)


def check_plots():
    import matplotlib
    import matplotlib.pyplot as plt
    from matplotlib.font_manager import FontProperties, fontManager, get_font
    from matplotlib.ft2font import LoadFlags

    def families_of(text, properties=None):
        """The families that draw the characters of a text."""
        fonts = get_font(fontManager._find_fonts_by_props(properties or FontProperties()))
        return {glyph.ft_object.family_name for glyph in fonts._layout(text, LoadFlags.DEFAULT)}

    assert matplotlib.get_backend().lower() == "agg", matplotlib.get_backend()
    assert plt.rcParams["font.family"] == ["sans-serif"], "the fallback is no setting"
    draw(plt, kinds=("png", "svg", "pdf"))
    draw(plt, "温度 $T_{中} = \\alpha$ हि 😀", kinds=("png", "svg", "pdf"))
    for style in ["ggplot", "seaborn-v0_8", "bmh", "fivethirtyeight", "classic"]:
        with plt.style.context(style):
            assert CJK in families_of("中"), style
            draw(plt, fontweight="bold")
    for family in GENERIC:
        plt.rcParams["font.family"] = family
        assert families_of("中文") == {CJK}, family
        draw(plt)
    plt.rcParams["font.family"] = ["Arial", "serif"]
    draw(plt)
    matplotlib.rcdefaults()
    draw(plt, fontproperties=FontProperties(family="Courier New", style="italic", weight="bold"))
    for name in names(CJK_NAMES):
        assert families_of("a中", FontProperties(family=name)) == {CJK}, name
        assert families_of("中", FontProperties(family=name, weight="bold")) == {CJK}, name
    for family, text in OTHER_NAMES.items():
        for name in names(text):
            assert families_of("a中", FontProperties(family=name)) == {family, CJK}, name
            bold = get_font(fontManager._find_fonts_by_props(FontProperties(family=name, weight="bold")))
            assert "Bold" in bold.style_name, name
    for generic, name in [("sans-serif", "SimHei"), ("serif", "SimSun"), ("monospace", "Consolas")]:
        with plt.rc_context({"font.family": generic, f"font.{generic}": [name]}):
            draw(plt)
    available = {font.name for font in fontManager.ttflist}
    assert {"SimHei", "Arial", "Noto Sans Devanagari", "Noto Emoji"} <= available
    check_missing_family(plt)
    # The prepared cache was used, not replaced by a new search.
    assert all(path.is_symlink() for path in pathlib.Path("/tmp/.matplotlib").glob("fontlist-*.json"))
    import seaborn

    seaborn.set_theme()
    draw(plt)


def check_missing_family(plt):
    """A missing family is reported once, however often it is used, and the text is still drawn."""
    said = []
    handler = logging.Handler()
    handler.emit = lambda record: said.append(record.getMessage())
    logger = logging.getLogger("matplotlib.font_manager")
    logger.addHandler(handler)
    logger.propagate = False
    with plt.rc_context({"font.family": "No Such Family"}):
        for size in range(8, 12):
            draw(plt, fontsize=size)
    logger.removeHandler(handler)
    logger.propagate = True
    assert len(said) == 1 and "No Such Family" in said[0], said


def check_files():
    """Databases that ordinary programs use."""
    import ctypes
    import ctypes.util
    import grp
    import mimetypes
    import pwd
    import socket
    import subprocess

    for name in ["c", "m", "z", "ssl", "crypto", "sqlite3"]:
        found = ctypes.util.find_library(name)
        # A package of the list may include its own copy of the last three, or the interpreter may have them built in.
        assert found or name in ["ssl", "crypto", "sqlite3", "z"], name
        assert not found or ctypes.CDLL(found), found
    assert ctypes.util.find_library("no-such-library") is None
    assert mimetypes.guess_type("a.xlsx")[0].endswith("spreadsheetml.sheet")
    for name, kind in [("a.docx", "application"), ("a.webp", "image"), ("a.md", "text"), ("a.parquet", "application")]:
        assert mimetypes.guess_type(name)[0].startswith(kind), name
    assert (socket.getservbyname("https"), socket.getservbyport(5432)) == (443, "postgresql")
    assert socket.getprotobyname("tcp") == 6
    assert socket.getaddrinfo("127.0.0.1", "http")[0][4] == ("127.0.0.1", 80)
    # The guest agent puts each sandbox's own data here; during the build there is none.
    assert os.readlink("/run/program") == "../tmp/.sandbox/program" and os.readlink("/etc/passwd") == "../run/sandbox/passwd"
    fallback = pathlib.Path("/usr/share/python-sandbox")
    assert "sandbox:x:1000:" in (fallback / "passwd").read_text() and (fallback / "group").is_file()
    assert grp and pwd
    # Started by its bare name and without PATH, an interpreter falls back to the prefix it was built with. One below
    # /usr finds itself, one in a user's directory cannot, and for every other there is a link.
    import importlib.util

    if importlib.util.find_spec("sandbox_prefix") is None:
        return
    program = "import sys, json, os; print(sys.prefix, json.__file__, os.__file__, *sys.path)"
    for folder in ["/", "/tmp"]:
        child = subprocess.run(["python3", "-c", program], env={}, cwd=folder, capture_output=True, text=True)
        assert child.returncode == 0 and child.stderr == "", child.stderr
        assert all(path.startswith("/usr") for path in child.stdout.split()), child.stdout


check_standard_library()
check_files()
check_packages()
check_documents()
check_full_list()
check_plots()
print(len(list(importlib.metadata.distributions())))
