os.symlink(parameter("CANARY_FILE"), "/tmp/output/link")
os.symlink("/proc/self/environ", "/tmp/output/environ")
os.symlink("/", "/tmp/output/root")
os.mkfifo("/tmp/output/fifo")
with open("/tmp/output/good.txt", "w") as file:
    file.write("good")
