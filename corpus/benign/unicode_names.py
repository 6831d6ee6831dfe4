#! files: Größe.txt, данные/файл.txt, 数据.csv
from pathlib import Path

größe = 3
наименование = "имя"
π = 3.14159
print(größe, наименование, round(π * größe**2, 3))
Path("Größe.txt").write_text("ä ö ü ß\n", encoding="utf-8")
Path("数据.csv").write_text("名字,年龄\n李雷,20\n", encoding="utf-8")
Path("данные").mkdir()
Path("данные/файл.txt").write_text("привет\n", encoding="utf-8")
print(sorted(p.name for p in Path(".").iterdir()))
print("👩‍💻 emoji", len("👩‍💻"), "naïve café".title(), "日本語".encode("utf-8").hex())
print("𝔘𝔫𝔦𝔠𝔬𝔡𝔢", "\N{SNOWMAN}", "עברית", "\u202eabc\u202c"[1:-1])
