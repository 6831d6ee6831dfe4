#! class: truth
#! attack: learn host paths and the runner's own lines from a traceback
#! validator: accepts
#! expect kind: exited
#! expect exit_code: 1
#! expect success: false
#! expect stderr-contains: ZeroDivisionError: division by zero
#! expect stderr-contains: line 17, in inner
#! expect stderr-contains: line 20, in <module>
#! expect stderr-contains: return value / 0
#! expect stderr-lacks: runner
#! expect stderr-lacks: exec(
#! expect stderr-lacks: site-packages


def inner(value):
    return value / 0


inner(1)
