# a package that is not there
import tensorflow_that_is_missing as tf

print(tf.__version__)
