#! files: helper.py
# A second file that the program writes and then runs. (An import would also leave a __pycache__.)
import runpy
from pathlib import Path

Path("helper.py").write_text("def greet(name):\n    return f'hello {name}'\n\nprint('helper runs as', __name__)\n")
names = runpy.run_path("helper.py", run_name="helper")
print(names["greet"]("world"))
scope = {}
exec(compile("x = [n * n for n in range(4)]", "made", "exec"), scope)
print(scope["x"], eval("1 + 2", {}))
