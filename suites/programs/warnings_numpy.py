# runtime warnings of numpy with the program's line
import numpy as np

print(np.array([1.0, 0.0]) / np.array([0.0, 0.0]))
print(np.log(np.array([-1.0])))
print(np.mean([]))
