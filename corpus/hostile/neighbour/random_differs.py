#! class: neighbour
#! attack: guess a sibling's random numbers: runs forked from the same interpreter must not share them
#! validator: accepts
#! repeat: differs
#! expect stdout-lacks: BREACH
import random
import secrets
import ssl
import tempfile
import uuid

import numpy

# Every line must differ between two runs: one source of random numbers a line.
print(random.random())
print(random.getrandbits(64))
print(random.Random().random())
print(random.SystemRandom().random())
print(numpy.random.random())
print(numpy.random.default_rng().random())
print(numpy.random.RandomState().random_sample())
print(secrets.token_hex(8))
print(uuid.uuid4())
print(uuid.uuid1().hex[:8])
print(ssl.RAND_bytes(8).hex())
print(tempfile.mktemp())
print(next(tempfile._get_candidate_names()))
