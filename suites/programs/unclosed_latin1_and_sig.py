# two encodings, both unclosed, one in a module global and one in a closure
def logger(path, encoding):
    file = open(path, "w", encoding=encoding)

    def log(text):
        file.write(text + "\n")

    return log

first = logger("latin.txt", "latin-1")
second = logger("sig.csv", "utf-8-sig")
first("café, naïve")
second("Überschrift;Wert")
second("Größe;1,5")
