# The program: how it is received, and the `__main__` that it runs as.

# The guest agent writes the program here before it starts it. If the runtime has no link to it, only the second name
# exists.
_PROGRAM_DIRECTORIES = ("/run/program", "/tmp/.sandbox/program")
_OUTPUT = "/tmp/output"


def _receive():
    """Waits for the program. Returns its source and its environment."""
    if os.read(4, 1) != b"1":
        # The agent is gone, and with it the sandbox.
        os._exit(1)
    data, size = b"", os.fstat(3).st_size
    while len(data) < size:
        data += os.read(3, size - len(data))
    os.close(3)
    os.write(4, b"1")
    os.close(4)

    def number(position):
        return int.from_bytes(data[position : position + 4], "little"), position + 4

    def text(position):
        length, position = number(position)
        return data[position : position + length].decode(), position + length

    environment = []
    count, position = number(0)
    for _ in range(count):
        name, position = text(position)
        value, position = text(position)
        environment.append((name, value))
    return data[position:].decode(), environment


def _prepare():
    """Waits for the program, after everything that does not depend on it. Returns its source and the namespace to run it
    in."""
    directory = _PROGRAM_DIRECTORIES[not os.path.lexists(_PROGRAM_DIRECTORIES[0])]
    path = directory + "/main.py"
    main = type(sys)("__main__")
    namespace = vars(main)
    # As in CPython; but the text is what was sent, whatever encoding (PEP 263) it declares.
    loader = namespace["__loader__"] = _SourceFileLoader("__main__", path)
    loader.get_source = lambda name=None: source
    if sys.version_info < (3, 14):
        namespace["__annotations__"] = {}
    namespace["__builtins__"] = __builtins__
    namespace["__file__"] = path
    namespace["__cached__"] = None
    sys.modules["__main__"] = main
    sys.argv[:] = ["main.py"]
    sys.orig_argv[:] = [sys.executable, "main.py"]
    # Last, so that it hides nothing: the interpreter itself searches here for the lines of `main.py` to show.
    sys.path.append(directory)
    if _forks:
        _rehearse()
    source, environment = _receive()
    for name, value in environment:
        os.environ[name] = value
    if environment:
        _obey(os.environ)
    # From here on a module of the program could be found instead of ours.
    sys.path.insert(0, _OUTPUT)
    # Without a modification time, so that no other file of that name replaces it.
    lines = _StringIO(source, None).readlines()
    if lines and not lines[-1].endswith("\n"):
        lines[-1] += "\n"
    _lines["main.py"] = (len(source), None, lines, "main.py")
    if environment and "TZ" in os.environ:
        import time

        time.tzset()
    if "logging" in sys.modules:
        # It calculates the age of the process from this.
        import time

        logging = sys.modules["logging"]
        now = time.time_ns() if isinstance(logging._startTime, int) else time.time()
        logging._startTime = now
    return source, namespace


def _rehearse():
    """Does, to nothing, what every program's start and end do. A fork copies each page that it writes to first: now it
    does so while it waits in the pool, and not while a program's answer is awaited."""
    _StringIO("", None).readlines()
    code = compile("print(f'{str(1)}')\n", "main.py", "exec", dont_inherit=True)
    _call_hidden(_partial(exec, code, {"print": str}))
    sys.stdout.write("")
    _rehearse_finish()


def _frames_hider():
    """Makes a function that calls another while all our frames are hidden.

    A frame whose instruction is before the first traceable one is skipped by everything that walks frames
    (_PyFrame_IsIncomplete, CPython 3.11 and newer), and no traceback shows it. Ours are changed accordingly during the
    call, and restored before any of them continues. If that is not possible, the frames are visible."""
    from collections import deque
    from functools import partial
    from itertools import repeat
    from operator import call

    def call_openly(function):
        return function()

    try:
        from ctypes import c_size_t as word
    except ImportError:
        return call_openly

    def place(frame):
        """Where a frame stores its instruction, and the value that hides it: found by the value that must be there."""
        nonlocal numbers
        inner = at(id(frame) + frame_offset).value
        code = id(frame.f_code) + code_size
        for number in numbers:
            cell = at(inner + number * word_size)
            if cell.value == code + frame.f_lasti:
                # The same in every frame: searched for once, in the trial below.
                numbers = (number,)
                return cell, code - 2
        return None

    def hide(frame, cells, values):
        while frame is not None:
            found = place(frame)
            if found is None:
                return
            cell, value = found
            cells.append(cell)
            values.append(cell.value)
            # Before it is hidden: the frame below a hidden one cannot be found any more.
            frame = frame.f_back
            cell.value = value

    def call_hidden(function):
        cells, values = [], []
        try:
            # A single instruction of this frame: it runs hide(), then the function.
            deque(map(call, (partial(hide, frame_of_caller(), cells, values), function)), 0)
        finally:
            # Also a single instruction: no signal handler runs in between.
            deque(map(setattr, cells, repeat("value"), values), 0)

    at, numbers, frame_of_caller = word.from_address, range(12), sys._getframe
    word_size = object.__basicsize__ // 2
    frame_offset, code_size = object.__basicsize__ + word_size, type(call_openly.__code__).__basicsize__
    seen = []
    code = compile("seen.append(frame().f_back)", "trial", "exec")
    call_hidden(partial(exec, code, {"seen": seen, "frame": frame_of_caller}))
    return call_hidden if seen == [None] else call_openly
