"""Prepares matplotlib in the new root file system. Arguments: its path, its package directory, the directory of the hooks.

1. Every text falls back to fonts with the other scripts, whatever family is selected: `font_hook.py` and `mathtext_hook.py`
   are appended to two of matplotlib's modules.
2. A font cache with the paths of the sandbox is put into the skeleton of `/tmp`, so the first import need not search. It
   maps the usual names of other systems to fonts of the same kind.
3. The fonts are also linked below /usr/share/fonts, where Pillow and programs find them by name or by path.

Prints the number of font names. Runs in the machine's own interpreter, with the packages of the new tree.
"""

import json
import os
import pathlib
import sys

root = pathlib.Path(sys.argv[1])
packages = pathlib.Path(sys.argv[2])
hooks = pathlib.Path(sys.argv[3])

CJK_FAMILY = "Noto Sans CJK JP"
# The other scripts, as spelled in the names of their fonts' package; those that DejaVu covers well are left out. All
# are opened with the first text of each family, which takes 0.1 ms each.
SCRIPTS = """
Devanagari Bengali Gurmukhi Gujarati Oriya Tamil Telugu Kannada Malayalam Sinhala Thai Myanmar Khmer Ethiopic Symbols
""".split()
EMOJI_FAMILY = "Noto Emoji"

# Names that programs use, following the usual advice for other systems, and the family that each gets instead of a
# warning and boxes. The five CJK families of Noto share one set of glyphs and differ only in preferred shapes.
ALIASES = {
    CJK_FAMILY: """
Noto Sans CJK SC|Noto Sans CJK TC|Noto Sans CJK HK|Noto Sans CJK KR|Noto Sans SC|Noto Sans TC|Noto Sans HK|Noto Sans JP
Noto Sans KR|Noto Serif CJK SC|Noto Serif CJK TC|Noto Serif CJK JP|Noto Serif CJK KR|Noto Serif SC|Noto Serif TC|Noto Serif JP
Noto Serif KR|Noto Sans Mono CJK SC|Noto Sans Mono CJK TC|Noto Sans Mono CJK JP|Noto Sans Mono CJK KR
Source Han Sans|Source Han Sans SC|Source Han Sans CN|Source Han Sans TC|Source Han Sans TW|Source Han Sans JP
Source Han Sans KR|Source Han Sans HW|Source Han Serif|Source Han Serif SC|Source Han Serif CN|Source Han Serif TC
Source Han Serif JP|Source Han Serif KR
SimHei|SimSun|NSimSun|SimSun-ExtB|KaiTi|KaiTi_GB2312|FangSong|FangSong_GB2312|SimKai|SimFang|LiSu|YouYuan|DengXian
STSong|STHeiti|STKaiti|STFangsong|STXihei|STZhongsong|STXingkai|STXinwei|STLiti|STCaiyun|STHupo
Songti SC|Songti TC|Heiti SC|Heiti TC|Kaiti SC|Kaiti TC|PingFang SC|PingFang TC|PingFang HK|Hiragino Sans GB|Hiragino Sans CNS
Yuanti SC|Libian SC|Xingkai SC|Lantinghei SC|Hei|Kai|LiHei Pro|LiSong Pro|Apple LiGothic|Apple LiSung|BiauKai
Microsoft YaHei|Microsoft YaHei UI|Microsoft JhengHei|Microsoft JhengHei UI|PMingLiU|MingLiU|MingLiU_HKSCS|PMingLiU-ExtB
DFKai-SB|WenQuanYi Micro Hei|WenQuanYi Micro Hei Mono|WenQuanYi Zen Hei|WenQuanYi Zen Hei Mono|WenQuanYi Zen Hei Sharp
AR PL UMing CN|AR PL UMing TW|AR PL UKai CN|AR PL UKai TW|Droid Sans Fallback|HarmonyOS Sans SC|LXGW WenKai
IPAexGothic|IPAGothic|IPAPGothic|IPAexMincho|IPAMincho|IPAPMincho|TakaoGothic|TakaoPGothic|TakaoMincho|TakaoPMincho|VL Gothic
VL PGothic|Yu Gothic|Yu Gothic UI|Yu Mincho|YuGothic|YuMincho|Meiryo|Meiryo UI|MS Gothic|MS PGothic|MS UI Gothic|MS Mincho
MS PMincho|BIZ UDGothic|BIZ UDMincho|Hiragino Sans|Hiragino Kaku Gothic Pro|Hiragino Kaku Gothic ProN|Hiragino Mincho Pro
Hiragino Mincho ProN|Hiragino Maru Gothic Pro|Hiragino Maru Gothic ProN|Osaka
Malgun Gothic|Batang|BatangChe|Gulim|GulimChe|Dotum|DotumChe|Gungsuh|GungsuhChe|NanumGothic|NanumBarunGothic|NanumMyeongjo
NanumSquare|NanumGothicCoding|Nanum Gothic|Nanum Myeongjo|AppleGothic|AppleMyungjo|Apple SD Gothic Neo|UnDotum|UnBatang
Baekmuk Gulim|Arial Unicode MS
""",
    "DejaVu Sans": """
Arial|Arial Narrow|Arial Black|Helvetica|Helvetica Neue|Nimbus Sans|Nimbus Sans L|Liberation Sans|Liberation Sans Narrow|Arimo
FreeSans|Verdana|Bitstream Vera Sans|Tahoma|Geneva|Lucida Grande|Lucida Sans|Lucida Sans Unicode|Lucid|Avant Garde|Trebuchet MS
Calibri|Carlito|Candara|Corbel|Aptos|Segoe UI|Segoe UI Semibold|Roboto|Roboto Condensed|Open Sans|Noto Sans|Noto Sans Display
Lato|Inter|Ubuntu|Cantarell|Droid Sans|Fira Sans|Source Sans Pro|Source Sans 3|IBM Plex Sans|PT Sans|Montserrat|Poppins|Nunito
Raleway|Oswald|Work Sans|Century Gothic|Futura|Gill Sans|Gill Sans MT|Optima|Franklin Gothic Medium|Franklin Gothic Book|Avenir
Avenir Next|Myriad Pro|Univers|Frutiger|San Francisco|SF Pro|SF Pro Text|SF Pro Display|Computer Modern Sans Serif
CMU Sans Serif|Latin Modern Sans|Impact|Charcoal|Chicago|Comic Sans MS|Comic Neue|Comic Sans|Humor Sans|xkcd|xkcd Script
Chalkboard|Chalkduster|Marker Felt|Papyrus|Brush Script MT|Script MT|Apple Chancery|Zapf Chancery|Lucida Handwriting|Segoe Print
Segoe Script|Bradley Hand|Western
""",
    "DejaVu Serif": """
Georgia|Gelasio|Cambria|Caladea|Constantia|Palatino|Palatino Linotype|Book Antiqua|URW Palladio L|Garamond|EB Garamond
Baskerville|Bookman|Bookman Old Style|ITC Bookman|URW Bookman L|Century|Century Schoolbook|Century Schoolbook L
New Century Schoolbook|Charter|Utopia|Didot|Rockwell|Hoefler Text|Bitstream Vera Serif|Noto Serif|Droid Serif|FreeSerif
Source Serif Pro|Source Serif 4|PT Serif|IBM Plex Serif|Merriweather|Playfair Display|Lora|Roboto Slab
""",
    "STIXGeneral": """
Times New Roman|Times|Liberation Serif|Tinos|Nimbus Roman|Nimbus Roman No9 L|TeX Gyre Termes|STIX Two Text|STIX|Linux Libertine
Libertinus Serif|Computer Modern Roman|CMU Serif|Latin Modern Roman
""",
    "DejaVu Sans Mono": """
Courier New|Courier|Cousine|Liberation Mono|Nimbus Mono L|Nimbus Mono PS|FreeMono|Consolas|Inconsolata|Menlo|Monaco|SF Mono
Lucida Console|Lucida Sans Typewriter|Andale Mono|Fixed|Terminal|Bitstream Vera Sans Mono|Ubuntu Mono|Roboto Mono|Noto Sans Mono
Noto Mono|Droid Sans Mono|Fira Code|Fira Mono|Source Code Pro|JetBrains Mono|IBM Plex Mono|Cascadia Code|Cascadia Mono|Hack
PT Mono|Computer Modern Typewriter|CMU Typewriter Text|Latin Modern Mono
""",
    "Noto Sans Devanagari": "Noto Serif Devanagari|Lohit Devanagari|Mangal|Nirmala UI|Nirmala Text|Kokila|Utsaah|Aparajita|Kohinoor Devanagari",
    "Noto Sans Thai": "Noto Serif Thai|Leelawadee|Leelawadee UI|TH Sarabun New|TH Sarabun PSK|Sarabun|Thonburi|Garuda|Loma|Cordia New|Angsana New",
    "Noto Sans Bengali": "Noto Serif Bengali|Lohit Bengali|Vrinda|Shonar Bangla|Kalpurush|SolaimanLipi",
    "Noto Sans Tamil": "Noto Serif Tamil|Lohit Tamil|Latha|Vijaya|Tamil MN|Tamil Sangam MN",
    "Noto Sans Telugu": "Noto Serif Telugu|Lohit Telugu|Gautami|Vani",
    "Noto Sans Arabic": "Noto Naskh Arabic|Noto Kufi Arabic|Amiri|Traditional Arabic|Simplified Arabic|Geeza Pro|Vazirmatn|Vazir|Cairo",
    "Noto Sans Hebrew": "David|Miriam|Arial Hebrew",
    EMOJI_FAMILY: "Noto Color Emoji|Apple Color Emoji|Segoe UI Emoji|Twitter Color Emoji|Twemoji|EmojiOne|OpenMoji|Symbola",
    "Noto Sans Symbols": "Noto Sans Symbols 2|Segoe UI Symbol|Apple Symbols",
}

sys.path.insert(0, str(packages))
import matplotlib  # noqa: E402
from matplotlib import font_manager  # noqa: E402

data = pathlib.Path(matplotlib.get_data_path())
cjk_font = next(packages.glob("noto_cjk_sans_*/*.otf"))
script_fonts = sorted((packages / "manimgx_fonts").glob("*.ttf"))


def script_font(name):
    return packages / "manimgx_fonts" / f"{name}[wght].ttf"


def append(module, hook):
    """Appends a hook to one of matplotlib's modules, replacing an earlier one."""
    path = packages / "matplotlib" / module
    mark = "\n\n# --- python-sandbox: what follows is not matplotlib's.\n"
    text = path.read_text(encoding="utf-8").partition(mark)[0]
    path.write_text(text + mark + hook, encoding="utf-8")


def add_hooks():
    scripts = [script_font(f"NotoSans{name}") for name in SCRIPTS]
    fonts = [data / "fonts/ttf/DejaVuSans.ttf", cjk_font, *scripts, script_font("NotoEmoji")]
    missing = [path.name for path in fonts if not path.is_file()]
    if missing:
        raise SystemExit(f"the packages have no {', '.join(missing)}")
    names = [str(path.relative_to(packages)) for path in fonts]
    append("font_manager.py", f"SANDBOX_FALLBACKS = {names!r}\n" + (hooks / "font_hook.py").read_text())
    append("_mathtext.py", "from .font_manager import fontManager\n" + (hooks / "mathtext_hook.py").read_text())


def write_font_cache():
    """The cache that matplotlib would create on its first import, with our fonts only and with the sandbox's paths."""
    search = font_manager.findSystemFonts

    def find_ours(fontpaths=None, fontext="ttf"):
        if fontpaths is not None:
            return search(fontpaths, fontext)
        return [str(path) for path in [cjk_font, *script_fonts]] if fontext == "ttf" else []

    font_manager.findSystemFonts = find_ours
    skeleton = root / "usr/share/python-sandbox/skel/.matplotlib"
    skeleton.mkdir(parents=True, exist_ok=True)
    cache = skeleton / f"fontlist-v{font_manager.FontManager.__version__}.json"
    cache.unlink(missing_ok=True)
    font_manager.json_dump(font_manager.FontManager(), str(cache))

    content = json.loads(cache.read_text(encoding="utf-8"))
    entries = content["ttflist"]
    for entry in entries:
        if entry["fname"].startswith(str(root)):
            entry["fname"] = "/" + str(pathlib.Path(entry["fname"]).relative_to(root))
            # A font with a range of weights is drawn as regular.
            entry["weight"] = 400
    families = {}
    for entry in entries:
        families.setdefault(entry["name"], []).append(entry)
    for family, members in list(families.items()):
        # A family with one weight is used for bold too, without a log message.
        if all(member["fname"].startswith("/") and member["weight"] == 400 for member in members):
            families[family] = members + [{**member, "weight": 700} for member in members]
            entries += families[family][len(members) :]
    for family, text in ALIASES.items():
        if family not in families:
            raise SystemExit(f"there is no font {family!r} among {sorted(families)}")
        for name in (name for line in text.split("\n") for name in line.split("|") if name):
            if name not in families:
                entries += [{**entry, "name": name} for entry in families[family]]
    cache.write_text(json.dumps(content), encoding="utf-8")
    return len({entry["name"] for entry in entries})


def link_fonts():
    """Creates relative links, as the tree is also read from outside."""
    fonts = root / "usr/share/fonts"
    wanted = [("truetype/dejavu", path) for path in sorted((data / "fonts/ttf").glob("DejaVu*.ttf"))]
    wanted += [("truetype/noto", path) for path in script_fonts]
    for folder, target in [*wanted, ("opentype/noto", cjk_font)]:
        # `[wght]` in a name would be a pattern for glob.
        link = fonts / folder / target.name.replace("[wght]", "-Regular").replace("-Italic-Regular", "-Italic")
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))


fonts_count = write_font_cache()
link_fonts()
# Last: the import above read the unmodified matplotlib.
add_hooks()
print(fonts_count)
