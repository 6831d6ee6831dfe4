# Runs the parts in order.


def _run():
    """Runs the program; returns its exit code and whether Ctrl-C ended it, and keeps no reference to it."""
    source, namespace = _prepare()
    try:
        code = compile(source, "main.py", "exec", dont_inherit=True)
        _call_hidden(_partial(exec, code, namespace))
    except SystemExit as error:
        return _exit_code(error.code), False
    except BaseException as error:
        return _report(error), isinstance(error, KeyboardInterrupt)
    return 0, False


# Checked before anything is imported: a package might open a descriptor.
_forks = _is_template()
_import(sys.argv[1:])
_change_imports()
# Before any fork: what is looked up in a fork is copied in each.
_call_hidden = _frames_hider()
_places, _share_streams, _begin_streams, _leave_note = _make_streams()
_finish, _rehearse_finish = _finisher()
if _forks:
    _serve_forks(_places)
else:
    _share_streams(5)
_begin_streams()
_finish(*_run())
