#! class: truth
#! attack: replace sys.stdout, print and the descriptors below them
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 2
#! expect success: false
#! expect stdout: real
import builtins
import io
import os
import sys

os.write(1, b"real\n")
sys.stdout = sys.__stdout__ = io.StringIO()
builtins.print = lambda *args, **options: None
print("not seen")
null = os.open("/dev/null", os.O_WRONLY)
os.dup2(null, 1)
os.system = os._exit
os.write(1, b"not seen either\n")
sys.exit(2)
