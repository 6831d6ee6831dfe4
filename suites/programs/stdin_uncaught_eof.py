# input() without input
answer = input("continue? [y/n] ")
print(answer)
