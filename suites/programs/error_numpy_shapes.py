# an exception of numpy
import numpy as np

print(np.arange(6).reshape(2, 3).tolist())
np.arange(6).reshape(2, 3) @ np.arange(6).reshape(2, 3)
