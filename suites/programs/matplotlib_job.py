# figures to files, one of them left open
import matplotlib.pyplot as plt
import numpy as np

x = np.linspace(0, 6, 50)
figure, axes = plt.subplots(2, 1, figsize=(4, 4))
axes[0].plot(x, np.sin(x), label="sin")
axes[0].legend()
axes[1].bar(["a", "b"], [3, 5])
figure.savefig("plot.png", dpi=60)
figure.savefig("plot.svg")
plt.figure()
plt.plot([1, 2])
print(plt.get_fignums(), plt.get_backend().lower())
