#! class: neighbour
#! attack: look for them in the next run
#! validator: accepts
#! timeout: 20
#! expect stdout: WALLED
import json
import tempfile
from pathlib import Path

import matplotlib
import numpy
import pandas

fallen = False
for folder in (Path("/tmp"), Path("/dev/shm"), Path.cwd(), Path(matplotlib.get_cachedir()), Path(matplotlib.get_configdir()), Path(tempfile.gettempdir())):
    for path in folder.glob("polite-*"):
        fallen = True
        print("BREACH", path)
for what, found in {
    "json": hasattr(json, "polite_trace"),
    "numpy": hasattr(numpy, "polite_trace"),
    "figure size": tuple(matplotlib.rcParams["figure.figsize"]) == (1.25, 1.25),
    "pandas option": pandas.get_option("display.max_rows") == 7,
    "numpy print option": numpy.get_printoptions()["precision"] == 2,
    "numpy seed": float(numpy.random.random()) == float(numpy.random.RandomState(1).random_sample()),
}.items():
    if found:
        fallen = True
        print("BREACH", what)
print("FALLEN" if fallen else "WALLED")
