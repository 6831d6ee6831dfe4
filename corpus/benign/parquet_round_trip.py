#! executors: native
#! files: data.feather, data.parquet
import pandas as pd
import pyarrow.compute
import pyarrow.parquet as pq

frame = pd.DataFrame({"name": ["a", "b", "ü"], "n": [1, 2, 3], "day": pd.to_datetime(["2024-01-01", "2024-02-01", "2024-03-01"])})
frame.to_parquet("data.parquet")
frame.to_feather("data.feather")
print(pd.read_parquet("data.parquet").equals(frame), pd.read_feather("data.feather").equals(frame))
table = pq.read_table("data.parquet", columns=["n"])
print(table.num_rows, pyarrow.compute.sum(table["n"]).as_py())
# pandas 2: seconds since 1970 by way of nanoseconds.
print((frame["day"].astype("int64") // 10**9).tolist())
