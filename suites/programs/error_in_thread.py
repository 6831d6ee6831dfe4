# uncaught exceptions in threads
import threading

def work(number):
    return [1, 2, 3][number]

for number in (1, 5):
    thread = threading.Thread(target=work, args=(number,), name=f"worker-{number}")
    thread.start()
    thread.join()
print("main ends")
