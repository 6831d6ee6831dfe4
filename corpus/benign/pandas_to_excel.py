#! files: report.xlsx
import pandas as pd

frame = pd.DataFrame({"month": ["Jan", "Feb", "Mar"], "income": [1200.5, 1350.0, 990.25], "cost": [800, 910, 700]})
frame["profit"] = frame["income"] - frame["cost"]
with pd.ExcelWriter("report.xlsx") as writer:
    frame.to_excel(writer, sheet_name="Months", index=False)
    frame[["income", "cost", "profit"]].sum().to_frame("total").to_excel(writer, sheet_name="Totals")

again = pd.read_excel("report.xlsx", sheet_name=None)
print(sorted(again))
print(again["Months"].to_string(index=False))
print(again["Totals"]["total"].tolist())
