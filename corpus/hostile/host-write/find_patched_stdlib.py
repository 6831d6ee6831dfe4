#! class: host-write
#! attack: the next run looks whether the run before could change the library
#! validator: rejects
#! expect stdout: WALLED
import json
import os
import sys

import numpy

fallen = False
for module in (json, os, numpy):
    with open(module.__file__) as handle:
        if "SANDBOX_WAS_" + "HERE" in handle.read() or hasattr(module, "SANDBOX_WAS_HERE"):
            fallen = True
            print("BREACH", module.__name__, "was changed")
for name in ("sitecustomize", "usercustomize"):
    loaded = sys.modules.get(name)
    if loaded is not None and hasattr(loaded, "SANDBOX_WAS_HERE"):
        fallen = True
        print("BREACH", name)
print("FALLEN" if fallen else "WALLED")
