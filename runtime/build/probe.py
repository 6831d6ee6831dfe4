"""Prints what `setup` must know about the interpreter that runs it, as one line of JSON.

Runs in any executable with the name of Python, so its syntax must be valid in Python 2.7 too.
"""

import json
import os
import platform
import sys


def importable(name):
    try:
        __import__(name)
    except Exception:
        return False
    return True


facts = {"implementation": platform.python_implementation(), "version": list(sys.version_info[:3])}

if sys.version_info >= (3, 11):
    import site
    import sysconfig

    # For a virtual environment, the interpreter that it was created from: its own directory has no standard library.
    facts["executable"] = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    facts["machine"] = platform.machine()
    facts["platlibdir"] = sys.platlibdir
    facts["prefix"] = sys.base_prefix
    facts["stdlib"] = sysconfig.get_path("stdlib")
    facts["platstdlib"] = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})
    # Where this interpreter would search for packages if it were installed below /usr (distributions differ).
    facts["site_packages"] = site.getsitepackages(["/usr"])
    facts["free_threaded"] = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    facts["venv"] = importable("venv")
    facts["ensurepip"] = importable("ensurepip")

print(json.dumps(facts))
