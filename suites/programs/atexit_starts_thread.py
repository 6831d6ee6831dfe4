# a handler that wants to start a thread
import atexit
import threading

def late():
    try:
        thread = threading.Thread(target=print, args=("from a late thread",))
        thread.start()
        thread.join()
    except RuntimeError as error:
        print("refused:", error)

atexit.register(late)
print("main ends")
