import io
import logging
import logging.handlers
import warnings

stream = io.StringIO()
handler = logging.StreamHandler(stream)
handler.setFormatter(logging.Formatter("%(levelname)-8s %(name)s: %(message)s"))
log = logging.getLogger("shop.orders")
log.addHandler(handler)
log.setLevel(logging.INFO)
log.propagate = False
log.debug("not shown")
log.info("order %d taken", 7)
try:
    1 / 0
except ZeroDivisionError:
    log.exception("order lost")
lines = stream.getvalue().splitlines()
print("\n".join(lines[:3]), lines[-1], sep="\n")


class Printing(logging.Handler):
    def emit(self, record):
        print("printed:", self.format(record))


memory = logging.handlers.MemoryHandler(10, target=Printing())
root = logging.getLogger()
root.addHandler(memory)
root.warning("kept and flushed")
memory.flush()
root.removeHandler(memory)
with warnings.catch_warnings(record=True) as caught:
    warnings.simplefilter("always")
    warnings.warn("old way", DeprecationWarning)
print(len(caught), caught[0].category.__name__, caught[0].message)
