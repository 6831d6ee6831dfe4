import io

import pandas as pd

raw = io.StringIO("""date;name;amount
2024-01-05;  alice ;1,200.50
2024-01-05;BOB;300
not a date;carol;n/a
2024-01-07;alice;99.5
2024-01-07;alice;99.5
""")
frame = pd.read_csv(raw, sep=";", dtype=str, keep_default_na=False)
frame["name"] = frame["name"].str.strip().str.title()
frame["date"] = pd.to_datetime(frame["date"], errors="coerce")
frame["amount"] = pd.to_numeric(frame["amount"].str.replace(",", ""), errors="coerce")
print("duplicates:", int(frame.duplicated().sum()))
frame = frame.drop_duplicates().dropna().reset_index(drop=True)
print(frame.assign(date=frame["date"].dt.strftime("%d.%m.%Y")).to_string())
frame["band"] = pd.cut(frame["amount"], bins=[0, 100, 500, 5000], labels=["low", "mid", "high"])
print(frame["band"].astype(str).tolist())
print(frame["name"].value_counts().to_dict())
