#! class: truth
#! attack: die by one's own alarm: that is a signal, not the service's timeout
#! validator: accepts
#! expect kind: signal
#! expect exit_code: 142
#! expect success: false
import signal
import time

signal.alarm(1)
time.sleep(8)
