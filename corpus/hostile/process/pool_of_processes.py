#! class: process
#! attack: a pool of two hundred processes, which starts a new one for each that fails
#! validator: rejects
#! timeout: 5
#! expect kind: process_limit, exited, timeout, out_of_memory
#! expect success: false
#! expect within: 12
import multiprocessing
import time

with multiprocessing.get_context("fork").Pool(200) as pool:
    pool.map(time.sleep, [1] * 200)
