#! class: process
#! attack: replace itself by a new interpreter again and again: the walls must stand after each
#! validator: rejects
#! timeout: 3
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 10
#! expect stdout-lacks: BREACH
import os
import sys

code = """
import os, socket, sys
try:
    socket.socket()
    print("BREACH", flush=True)
except OSError:
    pass
os.execv(sys.executable, [sys.executable, "-c", sys.argv[1], sys.argv[1]])
"""
os.execv(sys.executable, [sys.executable, "-c", code, code])
