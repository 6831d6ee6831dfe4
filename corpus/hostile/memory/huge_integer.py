#! class: memory
#! attack: an integer of a gigabyte
#! validator: accepts
#! timeout: 15
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: bits
number = (1 << 8_000_000_000) - 1
print(number.bit_length(), "bits")
