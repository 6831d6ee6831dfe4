#! files: plot.png
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 2 * np.pi, 200)
fig, ax = plt.subplots(figsize=(6, 4))
ax.plot(x, np.sin(x), label="sin")
ax.plot(x, np.cos(x), "--", label="cos")
ax.set_title("Two waves")
ax.set_xlabel("x")
ax.legend()
ax.grid(True)
fig.savefig("plot.png", dpi=100)
plt.close(fig)

with open("plot.png", "rb") as handle:
    head = handle.read(24)
print(head[:8] == b"\x89PNG\r\n\x1a\n", int.from_bytes(head[16:20], "big"), int.from_bytes(head[20:24], "big"))
