import random, uuid, tempfile
parts = [random.random(), random.getrandbits(64), os.urandom(8).hex(), str(uuid.uuid4()), next(tempfile._get_candidate_names())]
try:
    import numpy
    parts.append(float(numpy.random.random()))
except ImportError:
    pass
print(" ".join(str(part) for part in parts))
