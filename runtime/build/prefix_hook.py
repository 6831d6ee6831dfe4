# Replaces the prefix that the interpreter found with /usr. The interpreter uses the one it was built with if it cannot
# determine its own location, as when a program starts `python3` by its bare name without PATH. A link in the tree leads
# from there to the library; programs and tracebacks must not show it. `sandbox_prefix.pth` imports this if the prefix
# is not /usr.
import sys

_found = sys.prefix.rstrip("/")


def _inside(path):
    return "/usr" + path[len(_found) :] if isinstance(path, str) and path.startswith(_found + "/lib") else path


for _name in ["prefix", "exec_prefix", "base_prefix", "base_exec_prefix", "_stdlib_dir"]:
    _value = getattr(sys, _name, None)
    if _value is not None:
        setattr(sys, _name, "/usr" if _value.rstrip("/") == _found else _inside(_value))
sys.path[:] = [_inside(_path) for _path in sys.path]
for _path in list(sys.path_importer_cache):
    if _inside(_path) != _path:
        del sys.path_importer_cache[_path]
for _module in list(sys.modules.values()):
    for _holder in [_module, getattr(_module, "__spec__", None)]:
        for _name in ["__file__", "__cached__", "origin", "cached"]:
            _value = getattr(_holder, _name, None)
            if _inside(_value) is not _value:
                setattr(_holder, _name, _inside(_value))
    _paths = getattr(_module, "__path__", None)
    if isinstance(_paths, list):
        _paths[:] = [_inside(_path) for _path in _paths]
_site = sys.modules.get("site")
if _site is not None:
    _site.PREFIXES[:] = ["/usr"]
