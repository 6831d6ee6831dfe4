# Variables that CPython reads on startup, and that arrive later here: with the request.


def _obey(environ):
    """Applies what the interpreter would have applied on startup. The service rejects those variables for which it is too
    late (`interpreter_env.rs`)."""
    options = environ.get("PYTHONWARNINGS")
    if options:
        import warnings

        sys.warnoptions[:] = options.split(",")
        warnings._processoptions(sys.warnoptions)
    hook = environ.get("PYTHONBREAKPOINT")
    if hook:
        sys.breakpointhook = _breakpoint_hook(hook)
    if environ.get("PYTHONFAULTHANDLER"):
        import faulthandler

        faulthandler.enable()
    frames = environ.get("PYTHONTRACEMALLOC")
    if frames and int(frames) > 0:
        import _tracemalloc

        _tracemalloc.start(int(frames))
    digits = environ.get("PYTHONINTMAXSTRDIGITS")
    if digits:
        sys.set_int_max_str_digits(int(digits))
    encoding, _, errors = environ.get("PYTHONIOENCODING", "").partition(":")
    if encoding:
        # The encoding is UTF-8 in any case.
        sys.stdin.reconfigure(errors=errors or "strict")
        sys.stdout.reconfigure(errors=errors or "strict")
    # Last: from here on a module of the program could be found instead of ours. Its directory comes before these.
    path = environ.get("PYTHONPATH")
    if path:
        sys.path[:0] = [os.path.abspath(entry) for entry in path.split(":")]


def _breakpoint_hook(name):
    """What `breakpoint()` does with this PYTHONBREAKPOINT."""

    def hook(*args, **kwargs):
        if name == "0":
            return None
        import importlib

        module, _, function = name.rpartition(".")
        try:
            call = getattr(importlib.import_module(module or "builtins"), function)
        except (ImportError, AttributeError, ValueError):
            import warnings

            warnings.warn("Ignoring unimportable $PYTHONBREAKPOINT: %r" % name, RuntimeWarning, stacklevel=2)
            return None
        return call(*args, **kwargs)

    return hook
