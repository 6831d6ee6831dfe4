#! class: neighbour
#! attack: leave traces with what the validator lets pass: files, changed modules, matplotlib and numpy state, seeds
#! validator: accepts
#! timeout: 20
#! then: find_traces_politely.py
#! expect artifacts: any
#! expect stdout: left
import json
import random
import shelve
import tempfile
from pathlib import Path

import matplotlib
import numpy
import pandas

for folder in (Path("/tmp"), Path("/dev/shm"), Path.cwd(), Path(matplotlib.get_cachedir()), Path(matplotlib.get_configdir()), Path(tempfile.gettempdir())):
    try:
        (folder / "polite-trace.txt").write_text("trace")
    except OSError:
        pass
with shelve.open("/tmp/polite-shelf") as shelf:
    shelf["trace"] = 1
json.polite_trace = numpy.polite_trace = True
numpy.random.seed(1)
random.seed(1)
matplotlib.rcParams["figure.figsize"] = (1.25, 1.25)
pandas.set_option("display.max_rows", 7)
numpy.set_printoptions(precision=2)
print("left")
