# many handled tracebacks before the one that ends the program
import traceback

data = {"a": 1}
for i in range(5):
    try:
        data[f"key {i}"]
    except KeyError:
        traceback.print_exc()
print("handled")
value = data["missing_key"]
