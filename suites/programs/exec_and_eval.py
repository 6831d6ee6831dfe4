# code that the program makes, with tracebacks
import traceback

namespace = {}
exec("def f(x):\n    return x / 0\n", namespace)
try:
    namespace["f"](1)
except ZeroDivisionError:
    traceback.print_exc()
exec(compile("print(__name__, 'in exec')", "<made>", "exec"))
print(eval("[x ** 2 for x in range(4)]"))
namespace["f"](2)
