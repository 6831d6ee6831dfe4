# an uncaught KeyboardInterrupt
def work():
    raise KeyboardInterrupt

try:
    work()
finally:
    print("cleaning up")
