# Nothing printed and nothing written is a success too.
total = sum(range(10))
