# a thread that ends after main
import threading
import time

def late():
    time.sleep(0.1)
    print("thread prints after main")

threading.Thread(target=late).start()
print("main ends")
