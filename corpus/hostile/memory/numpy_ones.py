#! class: memory
#! attack: a numpy matrix larger than the limit, as an honest program makes by mistake
#! validator: accepts
#! timeout: 15
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: sum
import numpy as np

matrix = np.ones((20000, 20000))
print("sum", matrix.sum())
