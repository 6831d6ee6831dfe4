# locale, environment and platform
import locale
import os
import platform
import sys

print(locale.getlocale(), locale.getpreferredencoding(), sys.getfilesystemencoding(), sys.getdefaultencoding())
print(locale.setlocale(locale.LC_ALL, ""), f"{1234567:n}")
print(os.environ["HOME"], os.environ.get("LANG"), platform.system(), platform.python_implementation(), platform.node())
os.environ["NEW"] = "1"
print(os.getenv("NEW"), sorted(key for key in os.environ if key.startswith(("PYTHON", "LC_"))), os.cpu_count() >= 1)
