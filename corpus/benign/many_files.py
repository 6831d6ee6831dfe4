#! files: out/f0.txt, out/f1.txt, out/f2.txt, out/f3.txt, out/f4.txt, out/f5.txt, out/f6.txt, out/f7.txt, out/f8.txt, out/f9.txt
# Exactly as many files as the limit allows.
from pathlib import Path

Path("out").mkdir()
for n in range(10):
    Path(f"out/f{n}.txt").write_text(f"{n}\n" * (n + 1))
print(len(list(Path("out").iterdir())))
