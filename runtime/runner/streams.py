# Standard output and error as with `python main.py` on pipes, except that no output is lost when the program is killed.
#
# CPython buffers up to 8 KiB of output in the memory of the process. These streams do the same, and keep a copy of the
# buffered output in memory shared with the agent, which finds it there after the end, whatever its cause. So printing
# costs what it costs elsewhere, and needs neither `-u` nor a write per value. Deliberate differences from CPython:
# - buffered output is written before a fork, not by both sides after it;
# - it is not lost on os._exit() and a fatal signal; after an exec it comes last;
# - a forked child writes line by line, as the shared copy is its parent's.
#
# Layout of each stream's memory, in bytes; that of standard error begins at 65536. crates/agent/src/streams.rs reads
# it:
#    0  length of the buffered output, times two; plus one while it is being written to the pipe
#    8  number of bytes written to the pipe before that
#   16  length of the note on how the program ended (only for standard error)
#   64  the buffered output
#   16448  the note
_WAITING, _NOTE, _STREAM_BYTES, _STREAM_DISTANCE = 64, 64 + 16384, 24576, 65536
# protocol::NOTE_BYTES_MAX.
_NOTE_BYTES = 4096
# CPython's io.DEFAULT_BUFFER_SIZE of 3.11 to 3.13.
_BUFFER_BYTES = 8192


def _make_streams():
    """Makes both streams, on private memory. Returns the addresses of the memory, a function that maps the agent's there,
    one that begins the program's use of the streams, and one that leaves a note."""
    import _thread
    import ctypes
    import io
    import mmap

    def share(descriptor):
        """Maps the file. Not by `mmap.mmap` itself, which would keep a descriptor that the program can see. In a fork the
        hook has done the same: here it would copy some 80 pages."""
        map_memory = ctypes.PyDLL(None).mmap
        map_memory.restype = ctypes.c_void_p
        map_memory.argtypes = [ctypes.c_void_p, ctypes.c_size_t] + [ctypes.c_int] * 3 + [ctypes.c_long]
        rights = mmap.PROT_READ | mmap.PROT_WRITE
        # MAP_SHARED and MAP_FIXED, the same on every architecture (mmap(2)).
        shared_here = 0x01 | 0x10
        for offset, place in zip((0, _STREAM_DISTANCE), places):
            if map_memory(place, _STREAM_BYTES, rights, shared_here, descriptor, offset) != place:
                raise OSError("the memory of a stream cannot be shared")
        os.close(descriptor)

    first_write, first_flush = io.BufferedWriter.write, io.BufferedWriter.flush

    def make(number, name, errors, by_line):
        # One lock, so that the copy matches the stream; taken before a fork, so that no child inherits it locked.
        lock = _thread.RLock()
        flushes = interrupted = 0
        waiting = mmap.mmap(-1, _STREAM_BYTES, mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        waiting.seek(_WAITING)
        words = memoryview(waiting)[:24].cast("Q")

        class BufferedWriter(io.BufferedWriter):
            def write(self, data):
                with lock:
                    size = len(data) if type(data) is bytes else _BUFFER_BYTES + 1
                    if waiting.tell() + size > _WAITING + _BUFFER_BYTES:
                        self.flush()
                        if size > _BUFFER_BYTES:
                            written = first_write(self, data)
                            first_flush(self)
                            words[1] += written
                            return written
                    before = flushes
                    written = first_write(self, data)
                    # A signal handler that printed may already have flushed it.
                    if flushes == before:
                        waiting.write(data)
                        words[0] = (waiting.tell() - _WAITING) * 2 + interrupted
                    return written

            def flush(self):
                nonlocal flushes, interrupted
                with lock:
                    size = waiting.tell() - _WAITING
                    # Stays set if an exception interrupts the write: the agent then counts what was written.
                    interrupted = 1
                    words[0] = size * 2 + 1
                    first_flush(self)
                    waiting.seek(_WAITING)
                    words[0] = interrupted = 0
                    words[1] += size
                    flushes += 1

            def __repr__(self):
                return "<_io.BufferedWriter name=%r>" % (self.name,)

        def write_by_line(self, data):
            written = first_write(self, data)
            if type(data) is bytes and data.endswith(b"\n"):
                first_flush(self)
            return written

        def before_fork():
            lock.acquire()
            if waiting.tell() > _WAITING:
                try:
                    buffer.flush()
                except (OSError, ValueError):
                    # Closed or detached: the next writer gets the error.
                    pass

        def in_child():
            BufferedWriter.write, BufferedWriter.flush = write_by_line, first_flush
            lock.release()

        BufferedWriter.__module__, BufferedWriter.__qualname__ = "_io", "BufferedWriter"
        raw = io.FileIO(number, "w", closefd=False)
        raw.name = name
        buffer = BufferedWriter(raw, _BUFFER_BYTES)
        text = io.TextIOWrapper(
            buffer, "utf-8", errors, "\n", line_buffering=by_line, write_through=True
        )
        text.mode = "w"
        return text, before_fork, lock.release, in_child, waiting, words

    out = make(1, "<stdout>", sys.stdout.errors, False)
    err = make(2, "<stderr>", "backslashreplace", True)
    places = tuple(ctypes.addressof(ctypes.c_char.from_buffer(stream[4])) for stream in (out, err))
    waiting, words = err[4:]
    is_program = False

    def leave_note(data):
        # A child's end says nothing about the program's.
        if is_program:
            data = data[:_NOTE_BYTES]
            waiting[_NOTE : _NOTE + len(data)] = data
            words[2] = len(data)

    def before_fork():
        out[1]()
        err[1]()

    def in_parent():
        out[2]()
        err[2]()

    def in_child():
        nonlocal is_program
        is_program = False
        out[3]()
        err[3]()

    def begin():
        nonlocal is_program
        is_program = True
        # Not before: a template forks, too.
        os.register_at_fork(before=before_fork, after_in_parent=in_parent, after_in_child=in_child)

    sys.stdout = sys.__stdout__ = out[0]
    sys.stderr = sys.__stderr__ = err[0]
    return places, share, begin, leave_note
