# The interpreter before it has a program: its imports, waiting to be forked, and making a fork independent.


def _import(names):
    for name in names:
        try:
            __import__(name)
        except ImportError as error:
            # An operator's own runtime may lack it; a program that imports it gets the error.
            sys.stderr.write("the template leaves out %s: %s\n" % (name, error))


def _is_template():
    try:
        os.fstat(4)
    except OSError:
        return True
    return False


def _serve_forks(places):
    """Waits to be forked. Returns in each fork; the template itself ends in here."""
    import ctypes
    import gc

    hook = ctypes.PyDLL("/tmp/template.so")
    system = ctypes.PyDLL(None)
    _end_threads()
    # A garbage collection in a fork would copy everything it examines.
    gc.collect()
    gc.freeze()
    _compact(system)
    serve, size = hook.sandbox_template_serve, ctypes.c_size_t
    serve.argtypes = [ctypes.c_int] * 2 + [ctypes.c_void_p] * 2 + [size] * 2
    outcome = serve(3, 5, *places, _STREAM_BYTES, _STREAM_DISTANCE)
    if outcome != 0:
        # The constants of crates/confine/src/hook.rs.
        why = {1: "its socket was closed", 2: "it has grown", 3: "its socket is broken"}
        sys.stderr.write("the template ends: %s\n" % why.get(outcome, outcome))
        os._exit(outcome)
    _diverge()


def _end_threads():
    """A template must have one thread. Numeric libraries end theirs before a fork, and restart them when needed."""
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
    """Moves memory that each fork maps again into huge pages: a fork then copies one entry instead of 512 (Linux 6.1)."""
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
            # Fails if the kernel has no free huge page: then nothing changes.
            madvise(first, end - first, collapse)


def _diverge():
    """Makes this fork different from others. `random` and its users do so themselves on a fork."""
    modules = sys.modules
    if "numpy.random" in modules:
        # All of its state from the system: `seed` would run code that touches, and so copies, twice as many pages.
        words = modules["numpy"].frombuffer(os.urandom(4 * 624), "<u4")
        modules["numpy.random"].set_state(("MT19937", words, 624))
    if "tempfile" in modules:
        # It distinguishes forks by pid, which is the same in every sandbox.
        modules["tempfile"]._name_sequence = None
    if "_ssl" in modules:
        # So does OpenSSL.
        modules["_ssl"].RAND_add(os.urandom(48), 48.0)
    if "multiprocessing.process" in modules:
        process = modules["multiprocessing.process"]
        process.current_process()._config["authkey"] = process.AuthenticationString(os.urandom(32))
    if "uuid" in modules:
        modules["uuid"]._node = None
    if "platform" in modules:
        modules["platform"]._uname_cache = None
    if "threading" in modules:
        # CPython itself updates the main thread's id since 3.12.
        modules["threading"].main_thread()._set_native_id()
