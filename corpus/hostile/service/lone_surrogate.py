#! class: service
#! attack: print half of a surrogate pair
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: UnicodeEncodeError
print("before")
print("\ud83d")
