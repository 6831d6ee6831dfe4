# Runs one untrusted program inside an interpreter that is already isolated. This file comes first; the others of this
# directory follow it in one text, `run.py` last.
#
# The guest agent passes the text with `-c`, followed by the names of modules to import first. It starts in one of two
# ways:
#
# - as the interpreter of one sandbox: descriptor 4 is the agent. The interpreter waits there for one byte; then
#   descriptor 3 holds the program: the number of environment variables, each name and value prefixed with its length
#   (32 bits, little endian), then the source. A byte in reply means that the program's time starts. Descriptor 5 is
#   memory that the agent reads after the end (streams.py).
# - as a template: there is no descriptor 4, and descriptor 3 is a socket with requests to fork. Each fork continues as
#   the interpreter of one sandbox, isolated in it. The template itself never sees a program.
#
# Guarantees for the program, which shape the code:
# - it is a true `__main__`: pickling, dataclasses and inspect find it, and its file exists;
# - it prints, ends and fails as it would under `python main.py` with its streams on pipes;
# - a traceback names main.py, shows its lines, and nothing of ours;
# - a module beside the program never shadows our imports: all of ours are done before;
# - the environment arrives now and not at the start of the interpreter, so PYTHONPATH or LD_PRELOAD in it cannot affect
#   what runs before the program;
# - no two interpreters share a sequence of random numbers, whatever their template.
import os
import sys

# What the interpreter itself imports to show an error or a warning, so that a file beside the program cannot replace
# it.
import traceback
import warnings
from functools import partial as _partial
from _frozen_importlib_external import SourceFileLoader as _SourceFileLoader
from io import StringIO as _StringIO
from linecache import cache as _lines

_print_exception, _excepthook = traceback.print_exception, sys.excepthook
del traceback, warnings
