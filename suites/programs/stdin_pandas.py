#! stdin: name,score\nann,3\nbob,5\n
# read_csv of standard input
import sys

import pandas as pd

frame = pd.read_csv(sys.stdin)
print(frame.to_string())
print(frame.score.mean())
