# an exception raised without a traceback of its own
error = MemoryError("pretend")
raise error.with_traceback(None)
