# The end of a program. CPython waits for threads, runs the `atexit` handlers, then releases all modules and with them
# every object, which closes files and runs finalizers. The last part touches everything that was ever imported, and in
# a fork copies it: several times the cost of a short program.
#
# So the program's own objects are ended here first, in CPython's order. Then, if no object is left whose end could have
# an effect, the process exits at once, as CPython would only free memory. Objects that remain because a library's
# module holds them are ended one by one: files are closed, finalizers called. A full interpreter shutdown happens only
# if it is cheap, without the packages of a template, or if nothing else can stop daemon threads.

# Fewer objects than with any large package: those of the interpreter and the runner's imports.
_SMALL = 60_000
# Types of extension modules whose end has an effect, although they have no finalizer visible from Python.
_ENDING_TYPES = {("sqlite3", "Connection"), ("_gdbm", "gdbm"), ("_dbm", "dbm")}


def _finisher():
    """Makes the function that ends this process, and one that rehearses it, see _rehearse(). Everything is looked up now,
    before the program can change it."""
    import _signal
    import _thread
    import _weakref
    import atexit
    import builtins
    import gc
    import io

    try:
        import ctypes

        flush_c_streams = ctypes.CDLL(None).fflush
    except (ImportError, OSError, AttributeError):
        flush_c_streams = None
    hidden, partial, ours = _call_hidden, _partial, globals()
    leave, modules, known, module_type = os._exit, sys.modules, len(sys.modules), type(sys)
    run_atexit, collect, objects, unfreeze = atexit._run_exitfuncs, gc.collect, gc.get_objects, gc.unfreeze
    count_threads, reference = _thread._count, _weakref.ref
    get_handler, set_handler, builtin_type = _signal.getsignal, _signal.signal, type(len)
    default, interrupt = _signal.SIG_DFL, _signal.SIGINT
    built_in = frozenset(vars(builtins))
    bases, namespace_of = type.__dict__["__mro__"].__get__, type.__dict__["__dict__"].__get__
    # Existing objects are never examined again.
    gc.collect()
    gc.freeze()
    is_small = gc.get_freeze_count() < _SMALL
    generator, text_file, buffered_file, raw_file = type(_ for _ in ()), io.TextIOBase, io.BufferedIOBase, io.RawIOBase
    plain_buffers = (io.BufferedWriter, io.BufferedRandom, io.BufferedReader, io.BufferedRWPair)

    def silent(*_):
        pass

    def ignored(where, error):
        frames = error.__traceback__
        while frames is not None and frames.tb_frame.f_globals is ours:
            frames = frames.tb_next
        try:
            sys.stderr.write("Exception ignored in: %r\n" % (where,))
            sys.__excepthook__(type(error), error.with_traceback(frames), frames)
        except BaseException:
            pass

    def guarded(step):
        try:
            hidden(step)
        except BaseException as error:
            ignored(step, error)

    def flushed():
        good = True
        for name in ("stdout", "stderr"):
            stream = getattr(sys, name, None)
            try:
                if stream is not None and not getattr(stream, "closed", False):
                    stream.flush()
            except BaseException as error:
                good = False
                if name == "stdout":
                    ignored(stream, error)
        return good

    def flush_again():
        # Flushes what was printed since. Failures were reported before.
        for name in ("stdout", "stderr"):
            try:
                getattr(sys, name).flush()
            except BaseException:
                setattr(sys, name, None)

    def handled_signals():
        handlers = ((number, get_handler(number)) for number in range(1, 65))
        return [number for number, handler in handlers if callable(handler) and type(handler) is not builtin_type]

    def reset_signals():
        # Handlers hold references to the program's functions.
        for number in handled_signals():
            set_handler(number, default)

    def own_modules():
        """Names of the program's modules: located beside it, or created by it dynamically."""
        names, rest = [], len(modules) - known
        # From the end: even looking at a name copies its page.
        for name in reversed(modules):
            if rest <= 0:
                break
            rest -= 1
            module = modules.get(name)
            if type(module) is not module_type or name == "__main__":
                continue
            namespace = vars(module)
            file, spec = namespace.get("__file__"), namespace.get("__spec__")
            if str(file).startswith("/tmp/") or (file is None and spec is None):
                names.append(name)
        names.append("__main__")
        names.reverse()
        return names

    def clear(namespace):
        # Like _PyModule_ClearDict(): keeps what finalizers may need.
        for name in list(namespace):
            if type(name) is str and name[:1] == "_" and name[1:2] != "_":
                namespace[name] = None
        for name in list(namespace):
            if name != "__builtins__":
                namespace[name] = None

    def end_objects():
        reset_signals()
        # While everything is still reachable: this orders objects before those they refer to, so that the finalizers of
        # the next collection flush a file before they close what is below it.
        hidden(collect)
        # From here on CPython cannot import, and would warn about it.
        modules["warnings"] = None
        for name in ("last_exc", "last_type", "last_value", "last_traceback"):
            if hasattr(sys, name):
                setattr(sys, name, None)
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        alive = []
        for name in own_modules():
            module = modules.get(name)
            if type(module) is module_type:
                alive.append(reference(module))
            modules[name] = module = None
        hidden(collect)
        for module in alive:
            module = module()
            if module is not None:
                hidden(partial(clear, vars(module)))
        if len(vars(builtins)) != len(built_in):
            for name in vars(builtins).keys() - built_in:
                del vars(builtins)[name]
        hidden(collect)

    def may_act(kind):
        """Whether the end of an object of this type could have an effect."""
        for base in bases(kind):
            namespace = namespace_of(base)
            if "__del__" in namespace:
                return True
        return (kind.__module__, kind.__name__) in _ENDING_TYPES

    def left():
        """The remaining objects whose end could have an effect; empty if there are none."""
        kinds = {kind for kind in set(map(type, objects())) if may_act(kind)}
        return kinds and [thing for thing in objects() if type(thing) in kinds]

    def layer(thing):
        """Files from the outermost layer inwards: when closed, each writes its buffer to the one below."""
        if isinstance(thing, text_file):
            return 1
        if isinstance(thing, buffered_file):
            return 3 if isinstance(thing, plain_buffers) else 2
        return 4 if isinstance(thing, raw_file) else 0

    def end_one_by_one(things):
        things.sort(key=layer)
        for thing in things:
            try:
                if layer(thing) or type(thing) is generator or not hasattr(type(thing), "__del__"):
                    hidden(thing.close)
                else:
                    hidden(thing.__del__)
            except BaseException as error:
                # CPython reports nothing for files.
                if not layer(thing):
                    ignored(type(thing).__del__ if hasattr(type(thing), "__del__") else thing, error)

    def finish(code, interrupted):
        threading = modules.get("threading")
        if threading is not None:
            guarded(lambda: threading._shutdown())
        guarded(run_atexit)
        good = flushed()
        # Daemon threads: only the interpreter itself can stop them.
        whole = count_threads() > 0
        if not whole:
            try:
                end_objects()
            except BaseException as error:
                ignored(end_objects, error)
            flush_again()
            try:
                things = left()
                whole = bool(things) and is_small
                if things and not whole:
                    end_one_by_one(things)
                    flush_again()
            except BaseException as error:
                ignored(end_one_by_one, error)
        if whole:
            # Modules of the library may hold the rest, which ends with them.
            if is_small:
                unfreeze()
            if interrupted:
                # Ends the interpreter as an uncaught KeyboardInterrupt does. It was printed before.
                sys.excepthook = silent
                raise KeyboardInterrupt
            sys.exit(code if good else 120)
        if flush_c_streams is not None:
            flush_c_streams(None)
        if interrupted:
            set_handler(interrupt, default)
            os.kill(os.getpid(), interrupt)
        leave(code if good else 120)

    def rehearse():
        guarded(silent)
        flushed()
        handled_signals()
        hidden(collect)
        left()

    return finish, rehearse
