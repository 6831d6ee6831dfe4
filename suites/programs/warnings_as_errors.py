# warnings become exceptions
import warnings

warnings.filterwarnings("error")
try:
    warnings.warn("now an error")
except UserWarning as error:
    print("caught", error)
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    warnings.warn("recorded")
    print(len(seen), seen[0].category.__name__, seen[0].lineno)
warnings.warn("uncaught")
