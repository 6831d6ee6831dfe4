# a message of several lines
raise ValueError("could not parse row 3\nexpected: int\ngot: 'abc'")
