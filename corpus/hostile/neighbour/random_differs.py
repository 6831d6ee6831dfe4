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

# Every line must differ between two runs.
print(random.random(), random.getrandbits(64))
print(random.Random().random(), random.SystemRandom().random())
print(numpy.random.random(), numpy.random.default_rng().random(), numpy.random.RandomState().random_sample())
print(secrets.token_hex(8), uuid.uuid4())
print(uuid.uuid1().hex[:8], ssl.RAND_bytes(8).hex())
print(tempfile.mktemp(), next(tempfile._get_candidate_names()))
