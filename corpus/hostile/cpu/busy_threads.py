#! class: cpu
#! attack: busy loops on many threads, in C code that lets go of the interpreter's lock
#! validator: accepts
#! timeout: 3
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 9
import hashlib
from concurrent.futures import ThreadPoolExecutor

block = bytes(1 << 20)


def work(_):
    while True:
        hashlib.sha512(block).digest()


with ThreadPoolExecutor(20) as pool:
    list(pool.map(work, range(20)))
