limit = int(parameter("DISK_INODES"))
os.mkdir("/tmp/output/many")
for number in range(limit + 16):
    try:
        os.close(os.open(f"/tmp/output/many/{number}", os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError as error:
        held(f"{number} files, then {errno.errorcode.get(error.errno)}")
broken(f"more than {limit} files were made")
