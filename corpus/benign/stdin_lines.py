#! stdin: 3\nAda 36\nGrace 85\nLinus 54\n
count = int(input())
people = []
for _ in range(count):
    name, age = input("").split()
    people.append((int(age), name))
for age, name in sorted(people):
    print(f"{name} is {age}")
try:
    input()
except EOFError:
    print("end of input")
