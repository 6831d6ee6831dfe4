#! files: cjk.png
# A plot with Chinese, Japanese and Korean labels as a model writes it: no font chosen, no warning wanted.
import warnings

import matplotlib.pyplot as plt

warnings.simplefilter("error")
fig, ax = plt.subplots()
ax.bar(["一月", "二月", "三月"], [3, 5, 4])
ax.set_title("销售额")
ax.set_xlabel("日本語のラベル")
ax.set_ylabel("한국어")
fig.savefig("cjk.png")
print("drawn without a missing glyph")
