#! class: service
#! attack: print after stdout was closed
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: closed file
import logging

out = vars(logging)["sys"].stdout
print("before", flush=True)
out.close()
print("after")
