# sys.exit in a thread ends the thread alone
import sys
import threading

def work():
    print("thread")
    sys.exit(4)

thread = threading.Thread(target=work)
thread.start()
thread.join()
print("main goes on", thread.is_alive())
