#! class: cpu
#! attack: swallow every exception, so that nothing raised from outside could end it
#! validator: accepts
#! timeout: 2
#! expect kind: timeout
#! expect exit_code: 124
#! expect success: false
#! expect within: 8
def loop():
    while True:
        try:
            try:
                while True:
                    pass
            finally:
                loop()
        except BaseException:
            pass


loop()
