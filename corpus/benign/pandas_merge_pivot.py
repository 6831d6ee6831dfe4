import pandas as pd

orders = pd.DataFrame({"order": [1, 2, 3, 4], "customer": [11, 12, 11, 99], "total": [20.0, 35.5, 12.25, 8.0]})
customers = pd.DataFrame({"customer": [11, 12, 13], "name": ["Ada", "Grace", "Linus"], "tier": ["gold", "silver", "gold"]})
joined = orders.merge(customers, on="customer", how="left", indicator=True)
print(joined[["order", "name", "total", "_merge"]].to_string(index=False, na_rep="-"))
outer = orders.merge(customers, on="customer", how="outer")
print("outer rows:", len(outer), "without order:", int(outer["order"].isna().sum()))
pivot = joined.pivot_table(index="tier", values="total", aggfunc=["sum", "count"])
print(pivot.to_string())
wide = pd.DataFrame({"id": [1, 2], "jan": [5, 6], "feb": [7, 8]})
long = wide.melt(id_vars="id", var_name="month", value_name="value").sort_values(["id", "month"])
print(long.to_csv(index=False), end="")
