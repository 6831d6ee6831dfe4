# handlers with files, rotation, shutdown by atexit
import logging
import logging.handlers

log = logging.getLogger("rotating")
log.setLevel(logging.INFO)
handler = logging.handlers.RotatingFileHandler("app.log", maxBytes=200, backupCount=2)
handler.setFormatter(logging.Formatter("%(levelname)s|%(message)s"))
memory = logging.handlers.MemoryHandler(100, target=logging.FileHandler("memory.log"))
log.addHandler(handler)
log.addHandler(memory)
for number in range(20):
    log.info("message number %d", number)
print(len(memory.buffer))
