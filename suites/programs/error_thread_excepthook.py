# threading.excepthook of the program's own
import threading

def hook(args):
    print("thread failed:", args.exc_type.__name__, args.exc_value, args.thread.name)

threading.excepthook = hook
thread = threading.Thread(target=lambda: 1 / 0, name="t")
thread.start()
thread.join()
