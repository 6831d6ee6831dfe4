import pandas as pd

sales = pd.DataFrame(
    {
        "region": ["North", "South", "North", "East", "South", "East", "North"],
        "product": ["tea", "tea", "coffee", "tea", "coffee", "coffee", "tea"],
        "units": [10, 4, 7, 3, 12, 8, 6],
        "price": [2.5, 2.5, 3.0, 2.5, 3.0, 3.0, 2.5],
    }
)
sales["revenue"] = sales["units"] * sales["price"]
by_region = sales.groupby("region")["revenue"].agg(["sum", "mean", "count"]).round(2)
print(by_region.to_string())
best = sales.groupby("product")["units"].sum().sort_values(ascending=False)
for product, units in best.items():
    print(f"{product:<8}{units:>5}")
print(sales.groupby(["region", "product"])["units"].sum().unstack(fill_value=0).to_string())
top = sales.loc[sales.groupby("region")["revenue"].idxmax(), ["region", "product", "revenue"]]
print(top.to_string(index=False))
