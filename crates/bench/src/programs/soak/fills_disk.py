with open("/tmp/full", "wb") as full:
    while True:
        full.write(bytes(1 << 20))
