# what notebooks leave behind: bare expressions and semicolons
import math; x = 2; y = 3
x + y
"bare string"
math.sqrt(16)
_ = x * y
if True: print("one line"); print("two")
print(x, y, _)
[print(i) for i in range(2)]
...
