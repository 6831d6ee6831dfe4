# the names of the streams
with open("/dev/stderr", "w") as file:
    file.write("to stderr by name\n")
with open("/dev/fd/1", "w") as file:
    file.write("to stdout by number\n")
