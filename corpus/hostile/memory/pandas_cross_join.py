#! class: memory
#! attack: a cross join of two tables of a few thousand rows
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: rows
import pandas as pd

left = pd.DataFrame({"a": range(8000), "text": ["some text"] * 8000})
joined = left.merge(left, how="cross")
print(len(joined), "rows")
