#! class: memory
#! attack: a string of two gigabytes by padding, by repetition, by joining
#! validator: accepts
#! timeout: 15
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: characters
text = f"{1:>2000000000}"
print(len(text), "characters")
