#! input helper.py: ZGVmIGRpdmlkZShhLCBiKToKICAgIHJldHVybiBhIC8gYgo=
# a traceback through a module that came with the request
import helper

print(helper.divide(4, 2), helper.__file__.endswith("helper.py"))
helper.divide(1, 0)
