#! files: charts/grid.png
#! timeout: 20
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

Path("charts").mkdir()
fig, axes = plt.subplots(2, 2, figsize=(8, 6), layout="constrained")
axes[0, 0].pie([30, 45, 25], labels=["a", "b", "c"], autopct="%1.0f%%")
axes[0, 1].scatter(range(20), [n * n % 17 for n in range(20)])
axes[1, 0].imshow(np.arange(100).reshape(10, 10), cmap="viridis")
axes[1, 1].contourf(np.add.outer(np.arange(10), np.arange(10)))
axes[1, 1].text(1, 1, r"$\sqrt{x^2 + y^2}$")
fig.suptitle("Four charts")
fig.savefig("charts/grid.png")
print(len(fig.axes), Path("charts/grid.png").stat().st_size > 5000)
