#! timeout: 30
#! executors: native
#! files: pairs.png, plot.png
# Imported from a template. Alone its import takes most of a container's memory.
import matplotlib.pyplot as plt
import pandas as pd
import seaborn as sns

data = pd.DataFrame({"城市": ["北京", "上海", "北京", "上海"], "value": [1.0, 2.0, 3.0, 5.0], "other": [2.0, 1.0, 4.0, 3.0]})
sns.set_theme(style="whitegrid")
ax = sns.barplot(data=data, x="城市", y="value", errorbar=None)
ax.set_title("每个城市")
ax.figure.savefig("plot.png")
plt.close(ax.figure)
sns.pairplot(data, hue="城市", height=1.5).savefig("pairs.png")
print(data.groupby("城市")["value"].mean().to_dict())
