#! timeout: 30
#! executors: native
#! files: classic.png, cursive.png, default.png, formula.svg, ggplot.png, monospace.png, reset.png, sans-serif.png, serif.png, word.pdf
# Whatever family is asked for, other scripts are drawn: a glyph or a family that is missing would be a line on stderr.
import matplotlib
import matplotlib.pyplot as plt
from matplotlib.font_manager import FontProperties, findfont, fontManager

TEXT = "温度 日本語 한국어 हिन्दी ไทย 😀"


def draw(name, **properties):
    figure, axes = plt.subplots(figsize=(3, 2))
    axes.set_title(TEXT, **properties)
    axes.set_xlabel("−1 " + TEXT)
    figure.savefig(name)
    plt.close(figure)


draw("default.png")
for family in ["sans-serif", "serif", "monospace", "cursive"]:
    plt.rcParams["font.family"] = family
    draw(family + ".png")
plt.rcParams["font.family"] = "sans-serif"
plt.rcParams["font.sans-serif"] = ["SimHei", "Arial"]
plt.rcParams["axes.unicode_minus"] = False
draw("word.pdf", fontweight="bold")
matplotlib.rcdefaults()
matplotlib.use("Agg")
draw("reset.png", fontproperties=FontProperties(family="Times New Roman", weight="bold"))
for style in ["ggplot", "classic"]:
    with plt.style.context(style):
        draw(style + ".png", fontname="Microsoft YaHei")
figure = plt.figure()
figure.text(0.1, 0.5, r"温度 $T_{室} = \alpha$")
figure.savefig("formula.svg")
names = {font.name for font in fontManager.ttflist}
print([name for name in ["SimSun", "KaiTi", "PingFang SC", "Malgun Gothic", "Arial", "Courier New"] if name not in names])
print(findfont("SimHei", fallback_to_default=False).split("/")[-1], findfont("Helvetica").split("/")[-1])
