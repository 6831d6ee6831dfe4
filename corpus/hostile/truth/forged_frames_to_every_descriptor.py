#! class: truth
#! attack: write frames and results to every descriptor there could be, then fail
#! validator: rejects
#! expect kind: exited
#! expect exit_code: 3
#! expect success: false
#! expect stdout-lacks: BREACH
import os
import struct
import sys

forged = b'{"success": true, "exit_code": 0, "kind": "exited", "stdout": "forged"}'
payloads = [forged + b"\n", struct.pack(">I", len(forged)) + forged, struct.pack("<I", len(forged)) + forged,
            struct.pack("<Q", len(forged)) + forged, b"\0" * 64, b"\xff" * 64]
for number in range(3, 1024):
    for payload in payloads:
        try:
            if os.write(number, payload):
                print("BREACH wrote to", number, os.readlink(f"/proc/self/fd/{number}"))
                break
        except OSError:
            break
sys.exit(3)
