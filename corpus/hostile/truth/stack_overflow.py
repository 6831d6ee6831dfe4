#! class: truth
#! attack: overflow the C stack with deep structures: pickle, ast, compile, repr, comparison
#! validator: accepts
#! timeout: 15
#! expect kind: exited, signal, out_of_memory
#! expect success: false
#! expect stdout-contains: start
import ast
import pickle

print("start", flush=True)
deep = []
for _ in range(200000):
    deep = [deep]
for attempt in (
    lambda: repr(deep),
    lambda: pickle.dumps(deep),
    lambda: deep == [[deep]],
    lambda: ast.literal_eval("-" * 20000 + "1"),
    lambda: compile("(" * 100 + "-" * 20000 + "1" + ")" * 100, "x", "eval"),
):
    try:
        attempt()
    except (RecursionError, MemoryError, SyntaxError, ValueError):
        pass
raise RecursionError("still here")
