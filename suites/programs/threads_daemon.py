# a daemon thread that sleeps for ever
import threading
import time

def forever():
    while True:
        time.sleep(0.01)

thread = threading.Thread(target=forever, daemon=True)
thread.start()
file = open("with_daemon.txt", "w")
file.write("written although a daemon lives")
print("main ends", thread.daemon, thread.name)
