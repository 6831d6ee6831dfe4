#! class: host-read
#! attack: reach sys.modules and os through modules that use them: warnings, logging, shutil, pandas, with computed names
#! validator: accepts
#! expect stdout: WALLED
import logging
import shutil
import warnings

NEEDLE = "CANARY" + "-7f3a"
roads = {
    "warnings": lambda: vars(warnings)["s" + "ys"].modules["o" + "s"],
    "logging": lambda: getattr(logging, "".join(map(chr, (111, 115)))),
    "shutil": lambda: vars(shutil)["os"],
    "globals of a function": lambda: shutil.copyfile.__globals__["os"],
    "type of a function": lambda: type(lambda: 0).__globals__ and None,
    "loader": lambda: __loader__.load_module("os") if hasattr(__loader__, "load_module") else None,
    "spec": lambda: __spec__.loader,
    "builtins": lambda: (__builtins__ if isinstance(__builtins__, dict) else vars(__builtins__))["__imp" + "ort__"]("os"),
    "pandas": lambda: vars(__import__("pandas").io.common)["so"[::-1]],
    "frame": lambda: next(f for f in [(x for x in ()).gi_frame]).f_builtins["__import__"]("os"),
}
fallen = False
for road, walk in roads.items():
    try:
        module = walk()
        names = [n for n, v in module.environ.items() if NEEDLE in v]
        held = module.listdir("/proc/1/fd")
    except (OSError, AttributeError, KeyError, ImportError, TypeError, StopIteration):
        continue
    fallen = True
    print("BREACH through", road, names, len(held))
for road, walk in roads.items():
    try:
        values = walk().environ.values()
    except Exception:
        continue
    if any(NEEDLE in value for value in values):
        fallen = True
        print("BREACH canary variable through", road)
print("FALLEN" if fallen else "WALLED")
