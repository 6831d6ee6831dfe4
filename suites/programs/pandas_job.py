# groupby, merge, pivot and files
import pandas as pd

sales = pd.DataFrame({"day": pd.date_range("2024-01-01", periods=6), "shop": list("ababab"), "sold": [1, 2, 3, 4, 5, None]})
print(sales.groupby("shop").sold.agg(["sum", "mean", "count"]))
print(sales.pivot_table(index=sales.day.dt.isocalendar().week, columns="shop", values="sold", aggfunc="sum"))
sales.to_csv("sales.csv", index=False)
sales.to_excel("sales.xlsx", index=False, sheet_name="sales")
sales.to_json("sales.json", orient="records", date_format="iso")
print(pd.read_excel("sales.xlsx").dtypes.to_string())
print(sales.describe().round(2).to_markdown() if False else sales.describe().round(2).to_string())
sales.info()
