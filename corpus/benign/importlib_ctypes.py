#! forbidden: off
import builtins
import ctypes
import importlib
import socket

print(importlib.import_module("json").dumps([1]), hasattr(builtins, "print"))


class Pair(ctypes.Structure):
    _fields_ = [("a", ctypes.c_int32), ("b", ctypes.c_double)]


pair = Pair(1, 2.5)
print(pair.a, pair.b, ctypes.sizeof(Pair))
libc = ctypes.CDLL(None)
print(libc.abs(-5))
compare = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
numbers = (ctypes.c_int * 4)(3, 1, 4, 2)
libc.qsort(numbers, 4, ctypes.sizeof(ctypes.c_int), compare(lambda a, b: a[0] - b[0]))
print(list(numbers))
left, right = socket.socketpair()
left.sendall(b"local")
print(right.recv(5))
