#! forbidden: off
# Tables and libraries that ordinary programs ask the system for.
import ctypes
import ctypes.util
import mimetypes
import socket

print([mimetypes.guess_type("a." + end)[0] for end in ["xlsx", "docx", "webp", "md", "parquet", "csv"]])
print(socket.getservbyname("https"), socket.getservbyport(25), socket.getprotobyname("tcp"))
library = ctypes.CDLL(ctypes.util.find_library("m"))
library.cos.restype, library.cos.argtypes = ctypes.c_double, [ctypes.c_double]
print(library.cos(0.0), ctypes.util.find_library("c"), ctypes.util.find_library("no_such_library"))
