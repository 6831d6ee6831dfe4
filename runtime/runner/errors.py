# An uncaught exception: printed as the interpreter would, and reported to the agent, so that a verdict can name it
# without searching the program's output.
#
# The note to the agent is lines of tab-separated fields; crates/executor/src/note.rs reads it:
#   role, type, errno, line of main.py, module of the innermost frame, file name of an OSError, first line of the text
# Roles: raised, note, member (of a group), cause, context, exit (the text of sys.exit), installed (the names of
# packages, if a module is missing).
_RECORDS_MAX, _NOTES_MAX, _TEXT_MAX, _NAMES_MAX = 6, 3, 300, 1200


def _origin(error):
    """The program's line where an exception came from, 0 if none; and the innermost module."""
    line, module, frames = 0, "", error.__traceback__
    while frames is not None:
        frame = frames.tb_frame
        if frame.f_code.co_filename == "main.py":
            line = frames.tb_lineno or line
        module = frame.f_globals.get("__name__", "")
        frames = frames.tb_next
    if isinstance(error, SyntaxError) and error.filename == "main.py":
        line = error.lineno or 0
    return line, module


def _first_line(text, most=_TEXT_MAX):
    for line in str(text)[:10000].splitlines():
        if line.strip():
            return line.strip().replace("\t", " ")[:most]
    return ""


def _fields(role, text, name="", number=0, line=0, module="", file=""):
    return "\t".join((role, name, str(number), str(line), module, file, text))


def _record(role, error):
    kind = type(error)
    name, module = kind.__qualname__, kind.__module__
    if module not in ("__main__", "builtins"):
        name = "%s.%s" % (module, name)
    try:
        text = _first_line(error.msg if isinstance(error, SyntaxError) else error)
    except Exception:
        text = "<exception str() failed>"
    number, file = 0, ""
    if isinstance(error, OSError):
        number = error.errno if type(error.errno) is int else 0
        file = _first_line(error.filename, 200) if isinstance(error.filename, str) else ""
    line, module = _origin(error)
    return _fields(role, text, _first_line(name, 150), number, line, _first_line(module, 100), file)


def _installed():
    """Names of the installed packages."""
    names = set()
    for directory in sys.path:
        if directory.endswith("-packages"):
            for entry in os.listdir(directory):
                if entry.endswith(".dist-info"):
                    names.add(entry.split("-")[0].replace("_", "-"))
    return ", ".join(sorted(names, key=str.lower))


def _related(error):
    """Records of an exception, its notes, the members of a group, and its causes."""
    records, seen, role, missing = [], set(), "raised", isinstance(error, ImportError)
    while error is not None and id(error) not in seen and len(seen) < _RECORDS_MAX:
        seen.add(id(error))
        records.append(_record(role, error))
        notes = getattr(error, "__notes__", None)
        if isinstance(notes, list):
            records.extend(_fields("note", _first_line(note)) for note in notes[:_NOTES_MAX])
        if isinstance(error, BaseExceptionGroup):
            records.extend(_record("member", member) for member in error.exceptions[:_NOTES_MAX])
        cause, context = error.__cause__, error.__context__
        role = "context" if cause is None else "cause"
        error = cause if cause is not None else None if error.__suppress_context__ else context
    if missing:
        records.insert(1, _fields("installed", _first_line(_installed(), _NAMES_MAX)))
    return records


def _tell(records):
    try:
        _leave_note("\n".join(records()).encode("utf-8", "replace"))
    except BaseException:
        # Out of memory, or a hostile exception: the verdict does without the note.
        pass


def _write_error(text):
    try:
        sys.stderr.write(text)
    except Exception:
        pass


def _exit_code(code):
    """The exit code that the interpreter derives from the argument of SystemExit."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 255
    try:
        sys.stdout.flush()
    except Exception:
        pass
    _tell(lambda: [_fields("exit", _first_line(code))])
    try:
        try:
            text = "%s\n" % (code,)
        except Exception:
            text = "\n"
        if getattr(sys, "stderr", None) is None:
            os.write(2, text.encode("utf-8", "backslashreplace"))
        else:
            sys.stderr.write(text)
    except Exception:
        pass
    return 1


def _display(kind, error, frames):
    """Prints an exception. The interpreter itself looks for source lines by name, first in the working directory."""
    if sys.version_info < (3, 13) and (os.path.exists("main.py") or os.path.exists(_OUTPUT + "/main.py")):
        if sys.stderr is not None:
            _print_exception(kind, error, frames)
    else:
        sys.__excepthook__(kind, error, frames)


def _report(error):
    """Handles an exception as PyErr_Print() of the interpreter does; returns the exit code."""
    frames = error.__traceback__
    while frames is not None and frames.tb_frame.f_globals is globals():
        # Our frames, in case they could not be hidden.
        frames = frames.tb_next
    error.__traceback__ = frames
    _tell(lambda: _related(error))
    kind = type(error)
    if sys.version_info >= (3, 12):
        sys.last_exc = error
    sys.last_type, sys.last_value, sys.last_traceback = kind, error, frames
    hook = getattr(sys, "excepthook", None)
    try:
        if hook is None:
            _write_error("sys.excepthook is missing\n")
            _display(kind, error, frames)
        elif hook is _excepthook:
            _display(kind, error, frames)
        else:
            hook(kind, error, frames)
    except SystemExit as leave:
        return _exit_code(leave.code)
    except BaseException as second:
        if second.__traceback__ is not None:
            second.__traceback__ = second.__traceback__.tb_next
        second.__context__ = None
        _write_error("Error in sys.excepthook:\n")
        _display(type(second), second, second.__traceback__)
        _write_error("\nOriginal exception was:\n")
        _display(kind, error, frames)
    return 1
