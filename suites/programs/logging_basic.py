# logging to stderr, with levels and an exception
import logging

logging.warning("before configuration")
logging.basicConfig(level=logging.DEBUG, format="%(levelname)s %(name)s %(funcName)s:%(lineno)d %(filename)s %(message)s", force=True)
log = logging.getLogger("app.part")

def work():
    log.info("working on %d items", 3)
    try:
        1 / 0
    except ZeroDivisionError:
        log.exception("failed")
    log.error("with stack", stack_info=True)

work()
