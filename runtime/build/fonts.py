"""Makes matplotlib ready in the new root file system, whose path and package directory are the two arguments.

1. The default styles fall back to the CJK font, so text of mixed scripts is drawn without a setting or a warning.
2. A font cache with the paths of the sandbox is put into the skeleton of `/tmp`: the first import need not search.
3. The fonts also stand below /usr/share/fonts, where Pillow and programs look for them by name or by path.

Prints the number of fonts. Runs in the machine's own interpreter, with the packages of the new tree.
"""

import json
import os
import pathlib
import re
import sys

root = pathlib.Path(sys.argv[1])
packages = pathlib.Path(sys.argv[2])

CJK_FAMILY = "Noto Sans CJK JP"
# Names that programs ask for when they want such glyphs, the usual advice for other systems. Each gets this font rather
# than a warning and boxes. (The five CJK families of Noto share one set of glyphs and differ only in preferred shapes.)
CJK_ALIASES = """
Noto Sans CJK SC|Noto Sans CJK TC|Noto Sans CJK HK|Noto Sans CJK KR|Noto Sans SC|Noto Sans TC|Noto Sans JP|Noto Sans KR
Source Han Sans SC|Source Han Sans CN|Source Han Sans TC|Source Han Sans JP|Source Han Sans KR
SimHei|Microsoft YaHei|PingFang SC|PingFang TC|Heiti TC|STHeiti|WenQuanYi Micro Hei|WenQuanYi Zen Hei
IPAexGothic|IPAGothic|IPAPGothic|TakaoPGothic|Yu Gothic|Meiryo|MS Gothic|Hiragino Sans|Hiragino Maru Gothic Pro
Malgun Gothic|NanumGothic|NanumBarunGothic|AppleGothic|Apple SD Gothic Neo|Arial Unicode MS
"""

sys.path.insert(0, str(packages))
import matplotlib  # noqa: E402
from matplotlib import font_manager  # noqa: E402

data = pathlib.Path(matplotlib.get_data_path())
cjk_font = next(packages.glob("noto_cjk_sans_*/*.otf"))


def fall_back_in_styles():
    """Adds the CJK family after the generic one, in the defaults and in every style that sets it."""
    pattern = re.compile(r"^(#?font\.family\s*:\s*sans-serif)(?:, " + CJK_FAMILY + r")?[ \t]*$", re.MULTILINE)
    changed = []
    for path in [data / "matplotlibrc", *sorted((data / "stylelib").glob("*.mplstyle"))]:
        text, count = pattern.subn(r"\1, " + CJK_FAMILY, path.read_text(encoding="utf-8"))
        if count:
            path.write_text(text, encoding="utf-8")
            changed.append(path.name)
    if "matplotlibrc" not in changed:
        raise SystemExit("matplotlib's defaults have no `font.family: sans-serif` line to extend")


def write_font_cache():
    """The cache that matplotlib would make at its first import, with our fonts only and with the sandbox's paths."""
    search = font_manager.findSystemFonts

    def find_ours(fontpaths=None, fontext="ttf"):
        if fontpaths is not None:
            return search(fontpaths, fontext)
        return [str(cjk_font)] if fontext == "ttf" else []

    font_manager.findSystemFonts = find_ours
    skeleton = root / "usr/share/python-sandbox/skel/.matplotlib"
    skeleton.mkdir(parents=True, exist_ok=True)
    cache = skeleton / f"fontlist-v{font_manager.FontManager.__version__}.json"
    cache.unlink(missing_ok=True)
    font_manager.json_dump(font_manager.FontManager(), str(cache))

    content = json.loads(cache.read_text(encoding="utf-8"))
    ours = [entry for entry in content["ttflist"] if entry["fname"].startswith(str(root))]
    if [entry["name"] for entry in ours] != [CJK_FAMILY]:
        raise SystemExit(f"expected the one font {CJK_FAMILY!r}, found {ours}")
    ours[0]["fname"] = "/" + str(cjk_font.relative_to(root))
    names = (name for line in CJK_ALIASES.split("\n") for name in line.split("|") if name)
    content["ttflist"] += [{**ours[0], "name": name} for name in names]
    cache.write_text(json.dumps(content), encoding="utf-8")
    return len(content["ttflist"])


def link_fonts():
    """Relative links, as the tree is looked at from outside too."""
    fonts = root / "usr/share/fonts"
    wanted = [("truetype/dejavu", path) for path in sorted((data / "fonts/ttf").glob("DejaVu*.ttf"))]
    for folder, target in [*wanted, ("opentype/noto", cjk_font)]:
        link = fonts / folder / target.name
        link.parent.mkdir(parents=True, exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(os.path.relpath(target, link.parent))


fall_back_in_styles()
fonts_count = write_font_cache()
link_fonts()
print(fonts_count)
