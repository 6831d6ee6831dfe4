# Runs one untrusted program inside an interpreter that is already behind every wall.
#
# The guest agent passes this text with `-c`, and after it the names of modules to import first. It has two ways to
# begin:
#
# - as the interpreter of one sandbox: descriptor 4 is the agent. The interpreter waits there for one byte; then
#   descriptor 3 holds the program: the number of environment variables, each name and value with its length in
#   front (32 bits, little endian), then the source. A byte back says that the program's clock starts.
# - as a template: there is no descriptor 4, and descriptor 3 is a socket with requests to fork. Each fork goes on
#   as the interpreter of one sandbox, from behind its walls. The template itself never sees a program.
#
# What the program may expect, and what shapes the code below:
# - it is a true `__main__`: pickling, dataclasses and inspect find their way back to it;
# - a traceback names main.py, shows its lines, and nothing of ours;
# - a module beside the program never gets between us and our imports: all of ours are done before;
# - the environment comes now and not at the start of the interpreter, so PYTHONPATH or LD_PRELOAD in it
#   cannot reach what runs before the program;
# - no two interpreters share a sequence of random numbers, whoever their template was.
import os
import sys


class _Source:
    """Loader of the program's text: traceback, inspect, pdb and doctest ask it for lines (PEP 302)."""

    def __init__(self, text):
        self._text = text

    def get_source(self, name):
        return self._text


def _import(names):
    for name in names:
        try:
            __import__(name)
        except ImportError as error:
            # A runtime of the operator's own may lack it; the program will be told if it wants it.
            sys.stderr.write("the template leaves out %s: %s\n" % (name, error))


def _is_template():
    try:
        os.fstat(4)
    except OSError:
        return True
    return False


def _serve_forks():
    """Waits to be forked. Returns in each fork; the template ends in here."""
    import ctypes
    import gc

    hook = ctypes.PyDLL("/tmp/template.so")
    system = ctypes.PyDLL(None)
    _end_threads()
    # A collection in a fork would copy all that it looks at.
    gc.collect()
    gc.freeze()
    _compact(system)
    outcome = hook.sandbox_template_serve(3)
    if outcome != 0:
        os._exit(outcome)
    _diverge()


def _end_threads():
    """A template must have one thread. Numeric libraries end theirs before a fork, and start them when needed."""
    if len(os.listdir("/proc/self/task")) > 1:
        child = os.fork()
        if child == 0:
            os._exit(0)
        os.waitpid(child, 0)
    threads = len(os.listdir("/proc/self/task"))
    if threads > 1:
        sys.stderr.write("the template has %d threads, so it cannot fork\n" % threads)
        os._exit(1)


def _compact(system):
    """Puts memory that each fork maps anew into huge pages: a fork then copies one entry for 512 (Linux 6.1)."""
    import ctypes

    madvise = system.madvise
    madvise.argtypes = [ctypes.c_void_p, ctypes.c_size_t, ctypes.c_int]
    collapse, huge = 25, 2 << 20
    with open("/proc/self/maps") as maps:
        mappings = maps.read().splitlines()
    for line in mappings:
        span, rights, _, _, inode = line.split()[:5]
        first, end = (int(number, 16) for number in span.split("-"))
        first = (first + huge - 1) // huge * huge
        end = end // huge * huge
        if rights == "rw-p" and inode == "0" and first < end and "[stack]" not in line:
            # Refused where the kernel has no huge page to give: then it stays as it is.
            madvise(first, end - first, collapse)


def _diverge():
    """Makes this fork different from its siblings. `random` and its users do so by themselves at a fork."""
    modules = sys.modules
    if "numpy.random" in modules:
        # All of its state from the system: `seed` would find some by code that touches, and so copies, twice the pages.
        words = modules["numpy"].frombuffer(os.urandom(4 * 624), "<u4")
        modules["numpy.random"].set_state(("MT19937", words, 624))
    if "tempfile" in modules:
        # It tells forks by their pid, and that is the same in every sandbox.
        modules["tempfile"]._name_sequence = None
    if "_ssl" in modules:
        # So does OpenSSL.
        modules["_ssl"].RAND_add(os.urandom(48), 48.0)
    if "multiprocessing.process" in modules:
        process = modules["multiprocessing.process"]
        process.current_process()._config["authkey"] = process.AuthenticationString(os.urandom(32))
    if "uuid" in modules:
        modules["uuid"]._node = None


def _prepare():
    if os.read(4, 1) != b"1":
        # The agent is gone, and with it the sandbox.
        os._exit(1)
    with open(3, "rb") as file:
        data = file.read()
    os.write(4, b"1")
    os.close(4)

    def number(position):
        return int.from_bytes(data[position : position + 4], "little"), position + 4

    def text(position):
        length, position = number(position)
        return data[position : position + length].decode(), position + length

    count, position = number(0)
    for _ in range(count):
        name, position = text(position)
        value, position = text(position)
        os.environ[name] = value
    source = data[position:].decode()

    module = type(sys)("__main__")
    module.__file__ = "/tmp/output/main.py"
    module.__loader__ = _Source(source)
    module.__builtins__ = __builtins__
    module.__dict__.setdefault("__annotations__", {})
    sys.modules["__main__"] = module
    sys.argv[:] = ["main.py"]
    sys.orig_argv[:] = [sys.executable, "main.py"]
    sys.path.insert(0, "/tmp/output")
    if count and "TZ" in os.environ:
        import time

        time.tzset()
    return source, module.__dict__


def _report(kind, error, frames):
    """Prints an uncaught exception as the interpreter would, with the program's own lines."""
    path = sys.path[:]
    try:
        if sys.excepthook is not sys.__excepthook__:
            sys.excepthook(kind, error, frames)
            return
        # The standard library wins now over modules of the same name beside the program.
        sys.path.sort(key=lambda entry: entry == "/tmp/output")
        import traceback

        traceback.print_exception(kind, error, frames)
    except BaseException:
        sys.__excepthook__(kind, error, frames)
    finally:
        sys.path[:] = path


def _exit_code(code):
    """What the interpreter makes of the argument of SystemExit."""
    if code is None:
        return 0
    if isinstance(code, int):
        return code & 0xFF if -(1 << 63) <= code < 1 << 63 else 255
    try:
        sys.stdout.flush()
    except Exception:
        pass
    try:
        sys.stderr.write("%s\n" % (code,))
    except Exception:
        pass
    return 1


def _finisher():
    """Makes the function that ends this process as the interpreter would, but does not take the interpreter apart:
    that would touch, and in a fork copy, everything that was ever imported. What a program can notice of an end
    happens, in the usual order: threads are waited for, `atexit` runs, streams are flushed, and what the program's
    modules hold ends while those modules are still whole. Everything is looked up now, before the program can
    change it."""
    import _thread
    import atexit
    import builtins
    import gc
    import io

    try:
        import ctypes

        flush_c_streams = ctypes.CDLL(None).fflush
    except (ImportError, OSError, AttributeError):
        flush_c_streams = None
    leave, modules, known, module_type = os._exit, sys.modules, len(sys.modules), type(sys)
    run_atexit, collect, objects = atexit._run_exitfuncs, gc.collect, gc.get_objects
    count_threads = _thread._count
    lasting = (type(_finisher), type, module_type)
    built_in, writers = frozenset(vars(builtins)), (io.TextIOWrapper, io.BufferedWriter, io.BufferedRandom)
    # What is here now is never looked at again.
    gc.collect()
    gc.freeze()

    def ignored(where, error):
        try:
            sys.stderr.write("Exception ignored in: %r\n" % (where,))
            sys.__excepthook__(type(error), error, error.__traceback__)
        except BaseException:
            pass

    def guarded(step):
        try:
            step()
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

    def drop_modules():
        """Takes the program's modules out of reach, and gives what to know their namespaces by."""
        names, rest = ["__main__"], len(modules) - known
        # From the end: even to look at a name copies its page.
        for name in reversed(modules):
            if rest <= 0:
                break
            rest -= 1
            names.append(name)
        dropped = set()
        for name in names:
            module = modules.get(name)
            if type(module) is not module_type:
                continue
            namespace = vars(module)
            file, spec = namespace.get("__file__"), namespace.get("__spec__")
            # Beside the program, or made by it out of nothing.
            if str(file).startswith("/tmp/") or (file is None and spec is None):
                dropped.add(id(namespace))
                del modules[name]
        return dropped

    def let_go(namespace):
        # Not what finalizers may need.
        for name in list(namespace):
            if name != "__builtins__" and type(namespace[name]) not in lasting:
                namespace[name] = None

    def end_objects():
        sys.stdin, sys.stdout, sys.stderr = sys.__stdin__, sys.__stdout__, sys.__stderr__
        dropped = drop_modules()
        if len(vars(builtins)) != len(built_in):
            for name in vars(builtins).keys() - built_in:
                del vars(builtins)[name]
        # Finalizers run in here, and find the globals that they use.
        collect()
        for thing in objects():
            # Something outside of the program's modules holds on to it, such as a function put into another module.
            if type(thing) is dict and id(thing) in dropped and "__builtins__" in thing:
                let_go(thing)

    def flush_files():
        for thing in objects():
            try:
                if type(thing) in writers and not thing.closed and thing.writable():
                    thing.flush()
            except (OSError, ValueError):
                # What cannot be written, or has no file any more.
                pass

    def finish(code):
        threading = modules.get("threading")
        if threading is not None:
            guarded(threading._shutdown)
        guarded(run_atexit)
        good = flushed()
        if count_threads() > 0:
            # Daemon threads: only the interpreter itself can stop them.
            sys.exit(code if good else 120)
        guarded(end_objects)
        guarded(flush_files)
        good = flushed() and good
        if flush_c_streams is not None:
            flush_c_streams(None)
        leave(code if good else 120)

    return finish


def _settle_start_method():
    """Makes "fork" the start method of multiprocessing unless the program chooses another: since CPython 3.14 it would be
    "forkserver", and scipy takes that on older ones when nobody has chosen. Nothing happens before multiprocessing is
    imported: the finder put in place here is asked for modules of its directory alone, and once."""
    import _frozen_importlib_external as importer

    def settle(context):
        default = context._default_context
        default._default_context = default.get_context("fork")
        get = default.get_start_method

        def get_start_method(allow_none=False):
            # Not None, so that nobody takes it for a question that is open; set_start_method still works once.
            if allow_none and default._actual_context is None:
                return "fork"
            return get(allow_none)

        default.get_start_method = get_start_method
        package = sys.modules.get("multiprocessing")
        if hasattr(package, "get_start_method"):
            package.get_start_method = get_start_method

    class Finder:
        def find_spec(self, name, target=None):
            sys.path_importer_cache.pop(directory, None)
            spec = importer.PathFinder.find_spec(name, [directory], target)
            if name == "multiprocessing.context" and spec is not None:
                loader = spec.loader
                run = loader.exec_module

                def exec_module(module):
                    del loader.exec_module
                    run(module)
                    settle(module)

                loader.exec_module = exec_module
            return spec

    if "multiprocessing.context" in sys.modules:
        settle(sys.modules["multiprocessing.context"])
    else:
        directory = os.path.dirname(os.__file__) + "/multiprocessing"
        sys.path_importer_cache[directory] = Finder()


def _run():
    """Runs the program; gives its exit code, and holds on to nothing of it."""
    source, namespace = _prepare()
    try:
        # One frame of ours lies below the program's; a traceback starts above it.
        exec(compile(source, "main.py", "exec", dont_inherit=True), namespace)
        code = 0
    except SystemExit as error:
        code = _exit_code(error.code)
    except BaseException as error:
        frames = error.__traceback__.tb_next
        error.__traceback__ = frames
        _report(type(error), error, frames)
        if isinstance(error, KeyboardInterrupt):
            # Built in: no `signal.py` beside the program is meant.
            import _signal

            _signal.signal(_signal.SIGINT, _signal.SIG_DFL)
            os.kill(os.getpid(), _signal.SIGINT)
        code = 1
        # What the exception holds on to must be free to go.
        del frames
    return code


# Asked before anything is imported: a package might open a descriptor.
_forks = _is_template()
_import(sys.argv[1:])
_settle_start_method()
# Before any fork: what is looked up in each is copied in each.
_finish = _finisher()
if _forks:
    _serve_forks()
_finish(_run())
