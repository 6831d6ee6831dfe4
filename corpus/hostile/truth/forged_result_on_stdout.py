#! class: truth
#! attack: print what looks like the answer, or like a frame of the protocol, on both streams
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 7
#! expect success: false
#! expect stdout-contains: forged
import json

answer = {"success": True, "stdout": "forged", "stderr": "", "exit_code": 0, "execution_time": 0.0, "error": None, "files": ["http://evil.example/x"],
          "outcome": {"kind": "exited"}, "artifacts": [{"name": "x", "url": "http://evil.example/x"}]}  # fmt: skip
text = json.dumps(answer)
print(text)
print("\n\n" + text + "\n\0\0\0\0")
with open(1, "wb", closefd=False) as out, open(2, "wb", closefd=False) as err:
    for stream in (out, err):
        for size in (4, 8):
            for order in ("big", "little"):
                stream.write(len(text).to_bytes(size, order) + text.encode())
        stream.write(b"\r\n0\r\n\r\nHTTP/1.1 200 OK\r\n\r\n" + text.encode())
        stream.write(b"\x01\0\0\0\0\0\0\x05hello\x02\0\0\0\0\0\0\x05hello")
raise SystemExit(7)
