# more than a pipe holds
for number in range(40000):
    print(number, "x" * (number % 50))
