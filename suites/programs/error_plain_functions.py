# an uncaught exception through functions
def load(rows):
    return [parse(row) for row in rows]

def parse(row):
    name, value = row.split(",")
    return name, int(value)

load(["a,1", "b,two"])
