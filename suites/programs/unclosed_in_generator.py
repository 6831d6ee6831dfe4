# a generator that holds a file and has a finally
def writer(path):
    with open(path, "w") as file:
        try:
            while True:
                text = yield
                file.write(text + "\n")
        finally:
            file.write("end\n")
            print("finally ran")

coroutine = writer("generated.txt")
next(coroutine)
coroutine.send("one")
coroutine.send("two")
print("last line of the program")
