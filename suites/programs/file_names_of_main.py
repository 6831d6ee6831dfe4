# what main says of itself
import os
import sys

print(__name__, os.path.basename(__file__), os.path.isabs(__file__), __spec__, __package__, __doc__, __builtins__.__name__)
print(sys.argv[1:], os.path.basename(sys.argv[0]), len(sys.orig_argv), os.path.exists(__file__))
print(type(__loader__).__name__, __annotations__, sorted(name for name in globals() if name.startswith("__")))
