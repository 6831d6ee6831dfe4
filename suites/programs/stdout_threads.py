# whole lines from threads
import threading

lock = threading.Lock()

def work(number):
    with lock:
        for line in range(20):
            print("thread", number, "line", line)

threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
for thread in threads:
    thread.start()
    thread.join()
