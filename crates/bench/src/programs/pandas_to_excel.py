import pandas as pd

months = pd.date_range("2024-01-01", periods=12, freq="MS")
frame = pd.DataFrame({"month": months, "income": range(1000, 2200, 100), "cost": range(800, 1400, 50)})
frame["profit"] = frame["income"] - frame["cost"]
frame.to_excel("report.xlsx", index=False)
print(len(frame), "rows, profit", frame["profit"].sum())
