# Runs one untrusted program inside an interpreter that is already behind every wall. This file comes first; the others
# of this directory follow it in one text, `run.py` last.
#
# The guest agent passes the text with `-c`, and after it the names of modules to import first. It has two ways to
# begin:
#
# - as the interpreter of one sandbox: descriptor 4 is the agent. The interpreter waits there for one byte; then
#   descriptor 3 holds the program: the number of environment variables, each name and value with its length in
#   front (32 bits, little endian), then the source. A byte back says that the program's clock starts. Descriptor 5 is
#   memory that the agent reads after the end (streams.py).
# - as a template: there is no descriptor 4, and descriptor 3 is a socket with requests to fork. Each fork goes on
#   as the interpreter of one sandbox, from behind its walls. The template itself never sees a program.
#
# What the program may expect, and what shapes the code:
# - it is a true `__main__`: pickling, dataclasses and inspect find their way back to it, and its file exists;
# - it prints, ends and fails as it would under `python main.py` with its streams on pipes;
# - a traceback names main.py, shows its lines, and nothing of ours;
# - a module beside the program never gets between us and our imports: all of ours are done before;
# - the environment comes now and not at the start of the interpreter, so PYTHONPATH or LD_PRELOAD in it
#   cannot reach what runs before the program;
# - no two interpreters share a sequence of random numbers, whoever their template was.
import os
import sys

# What the interpreter imports by itself to show an error or a warning, so that no file beside the program can be meant.
import traceback
import warnings
from functools import partial as _partial
from _frozen_importlib_external import SourceFileLoader as _SourceFileLoader
from io import StringIO as _StringIO
from linecache import cache as _lines

_print_exception, _excepthook = traceback.print_exception, sys.excepthook
del traceback, warnings
