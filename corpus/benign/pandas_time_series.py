import pandas as pd

days = pd.date_range("2024-01-01", periods=60, freq="D")
series = pd.Series(range(60), index=days, name="visits")
monthly = series.groupby(series.index.to_period("M")).sum()
print({str(month): int(total) for month, total in monthly.items()})
weekly = series.resample("W-SUN").mean().head(3)
for day, value in weekly.items():
    print(day.strftime("%Y-%m-%d"), round(value, 2))
rolling = series.rolling(7).mean().dropna()
print("rolling first", rolling.iloc[0], "last", rolling.iloc[-1])
print("change", series.pct_change().iloc[2])
local = series.tz_localize("UTC").tz_convert("Asia/Tokyo")
print(local.index[0].isoformat())
print(pd.Timestamp("2024-02-29") + pd.DateOffset(years=1))
