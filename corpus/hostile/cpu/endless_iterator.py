#! class: cpu
#! attack: an endless iterator consumed in C code
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
import collections
import itertools

collections.deque(itertools.repeat(None), maxlen=0)
