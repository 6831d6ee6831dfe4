import array
import mmap
import struct

packed = struct.pack("<IhB3sxd", 1_000_000, -2, 255, b"abc", 1.5)
print(len(packed), struct.unpack("<IhB3sxd", packed), struct.calcsize("!HHL"))
header = struct.Struct(">4sI")
print([header.unpack_from(b"DATA\x00\x00\x00\x05MORE\x00\x00\x00\x09", o) for o in (0, 8)])
numbers = array.array("i", [5, 3, 8])
numbers.extend(range(2))
print(numbers, numbers.itemsize, numbers.tobytes()[:4])
buffer = bytearray(b"hello world")
view = memoryview(buffer)
view[0:5] = b"HELLO"
print(buffer, view[6:].tobytes(), view.nbytes, memoryview(array.array("d", [1, 2])).format)
print((1000).to_bytes(2, "big"), int.from_bytes(b"\xff\xfe", "big", signed=True), bytes.fromhex("deadbeef").hex("-"))
with open("/tmp/mapped.bin", "w+b") as handle:
    handle.write(b"0123456789" * 10)
    handle.flush()
    with mmap.mmap(handle.fileno(), 0) as mapped:
        mapped[0:3] = b"abc"
        print(mapped[:6], mapped.find(b"789"))
anonymous = mmap.mmap(-1, 4096)
anonymous.write(b"anonymous")
print(anonymous[:9])
