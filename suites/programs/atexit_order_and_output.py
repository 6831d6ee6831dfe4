# atexit handlers, in reverse order, with output and files
import atexit

log = open("log.txt", "w")

@atexit.register
def first():
    print("registered first")
    log.write("closed by atexit\n")

atexit.register(print, "second", "with", "arguments", sep="-")

@atexit.register
def third():
    print("registered third")
    atexit.register(print, "registered while ending")

log.write("main\n")
print("main ends")
