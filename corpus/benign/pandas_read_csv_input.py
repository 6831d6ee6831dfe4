#! input scores.csv: bmFtZSxzdWJqZWN0LHNjb3JlCkFkYSxtYXRoLDk1CkFkYSxhcnQsNzEKR3JhY2UsbWF0aCw4OApHcmFjZSxhcnQsCkxpbnVzLG1hdGgsNjAK
#! files: clean.csv
import pandas as pd

frame = pd.read_csv("scores.csv")
print("rows:", len(frame), "missing:", int(frame["score"].isna().sum()))
frame["score"] = frame["score"].fillna(frame["score"].median())
print(frame.to_string(index=False))
print(frame.groupby("name")["score"].mean().round(1).to_dict())
frame.to_csv("clean.csv", index=False)
print(open("clean.csv").read(), end="")
