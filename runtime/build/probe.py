"""Tells what `setup` must know about the interpreter that runs it, as one line of JSON.

Runs in any candidate that answers to the name of Python, so it keeps to syntax that Python 2.7 understands too.
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

    # Of a virtual environment, the interpreter that it was made from: its own directory holds no standard library.
    facts["executable"] = os.path.realpath(getattr(sys, "_base_executable", None) or sys.executable)
    facts["machine"] = platform.machine()
    facts["platlibdir"] = sys.platlibdir
    facts["prefix"] = sys.base_prefix
    facts["stdlib"] = sysconfig.get_path("stdlib")
    facts["platstdlib"] = sysconfig.get_path("platstdlib", vars={"platbase": sys.base_exec_prefix})
    # Where this interpreter would look for packages if it were installed below /usr (distributions differ).
    facts["site_packages"] = site.getsitepackages(["/usr"])
    facts["free_threaded"] = bool(sysconfig.get_config_var("Py_GIL_DISABLED"))
    facts["venv"] = importable("venv")
    facts["ensurepip"] = importable("ensurepip")

print(json.dumps(facts))
