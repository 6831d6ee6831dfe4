import stat
open_ones = []
for number in range(3, 4096):
    try:
        mode = os.fstat(number).st_mode
        open_ones.append(f"{number} (mode {mode:o})")
    except OSError:
        pass
if open_ones:
    broken("open: " + ", ".join(open_ones))
kinds = [stat.filemode(os.fstat(number).st_mode)[0] for number in range(3)]
held("only 0, 1 and 2: " + " ".join(kinds))
