# resource warnings switched on
import gc
import warnings

warnings.simplefilter("always", ResourceWarning)

def leak():
    open("leak.txt", "w").write("x")

leak()
gc.collect()
file = open("leak2.txt", "w")
