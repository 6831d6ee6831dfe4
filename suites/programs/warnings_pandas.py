# a warning of pandas about the program's line
import pandas as pd

frame = pd.DataFrame({"d": ["01/02/2024", "2024-03-04"]})
print(pd.to_datetime(frame.d, errors="coerce").isna().sum())
print(pd.to_datetime(["13/02/2024"]).strftime("%Y-%m-%d")[0])
