#! files: boxes.png, histogram.png
import matplotlib.pyplot as plt
import numpy as np

rng = np.random.RandomState(7)
data = rng.normal(50, 10, 1000)
counts, edges, _ = plt.hist(data, bins=10, range=(0, 100), edgecolor="black")
plt.savefig("histogram.png")
plt.clf()
plt.boxplot([data[:300], data[300:600], data[600:]])
plt.savefig("boxes.png")
for count, edge in zip(counts, edges):
    print(f"{edge:5.1f} {int(count):4d} {'#' * int(count // 20)}")
print("total", int(counts.sum()))
