# Written to, so that the pages count.
hoard = []
while True:
    hoard.append(bytearray(b"x" * (4 << 20)))
