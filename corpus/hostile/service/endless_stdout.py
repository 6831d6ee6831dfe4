#! class: service
#! attack: print without end
#! validator: accepts
#! timeout: 3
#! expect kind: timeout, output_limit
#! expect success: false
#! expect within: 10
#! expect stdout-truncated: true
#! expect stdout-contains: line 0
number = 0
while True:
    print("line", number, "x" * 1000)
    number += 1
