#! class: network
#! attack: an ordinary program that wants the network: it must fail at once, with an error a model can act on
#! validator: accepts
#! expect kind: exited, denied_syscall
#! expect success: false
#! expect exit_code: 1
#! expect within: 8
#! expect stdout-lacks: fetched
import urllib.request

print("fetched", urllib.request.urlopen("http://example.org/", timeout=5).status)
