#! files: bars.pdf, bars.svg, figure-1.png
import matplotlib.pyplot as plt

names = ["red", "green", "blue"]
values = [3, 7, 5]
plt.figure()
plt.bar(names, values, color=names)
plt.title("Votes")
plt.savefig("bars.svg")
plt.savefig("bars.pdf")
plt.show()
print("<svg" in open("bars.svg").read(), open("bars.pdf", "rb").read(5))
