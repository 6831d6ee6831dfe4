#! stdin: Ada\n36\n
# input() with prompts
name = input("name? ")
age = int(input("age? "))
print(f"{name} will be {age + 1}")
try:
    input("more? ")
except EOFError as error:
    print("\nend of input:", error)
