# names and attributes that nearly exist
import math

class Person:
    first_name = "A"

try:
    Person().frist_name
except AttributeError as error:
    import traceback

    traceback.print_exc()
math.squrt(4)
