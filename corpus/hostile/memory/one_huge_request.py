#! class: memory
#! attack: ask for a terabyte at once: the interpreter may be refused, or the kernel may promise what it cannot keep
#! executors: native, docker, kata
#! validator: accepts
#! expect kind: exited, out_of_memory
#! expect success: false
#! expect stdout: start
print("start", flush=True)
print(len(bytes(1 << 40)))
