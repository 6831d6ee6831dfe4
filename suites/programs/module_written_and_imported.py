# the program writes a module and imports it
import importlib
import pathlib
import sys

pathlib.Path("generated.py").write_text("def f():\n    return [1][2]\n")
importlib.invalidate_caches()
import generated

print(generated.__file__.endswith("generated.py"), sys.dont_write_bytecode)
generated.f()
