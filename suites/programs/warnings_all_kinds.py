# warnings with the program's lines
import warnings

def old():
    warnings.warn("old() is deprecated", DeprecationWarning, stacklevel=2)

old()
warnings.warn("careful")
warnings.warn("later", FutureWarning)
for _ in range(3):
    warnings.warn("only once", RuntimeWarning)
print("end")
