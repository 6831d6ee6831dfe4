#! class: service
#! attack: endless recursion, as a model writes by mistake
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: RecursionError
def again(n):
    return again(n + 1)


again(0)
