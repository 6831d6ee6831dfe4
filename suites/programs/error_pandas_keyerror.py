# a traceback through a package
import pandas as pd

frame = pd.DataFrame({"a": [1, 2], "b": [3, 4]})
print(frame.sum().to_dict())
frame["missing"]
