# a gzip file that is never closed
import gzip

def lines():
    return [f"line {i}\n" for i in range(1000)]

stream = gzip.open("lines.txt.gz", "wt")
stream.writelines(lines())
print(stream.closed)
