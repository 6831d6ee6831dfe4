#! class: service
#! attack: thousands of exceptions, each the cause of the next
#! validator: accepts
#! timeout: 15
#! expect kind: exited, signal, out_of_memory
#! expect success: false
#! expect within: 20
error = ValueError("first")
for number in range(20000):
    following = ValueError(f"error {number}")
    following.__cause__ = error
    error = following
raise error
