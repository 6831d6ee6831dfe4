# a syntax error of the program itself
def broken(:
    return 1
