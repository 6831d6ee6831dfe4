import base64
import binascii
import hashlib
import hmac
import zlib

data = "The quick brown fox jumps over the lazy dog".encode()
for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b"):
    print(name, hashlib.new(name, data).hexdigest()[:32])
print(hashlib.blake2s(data, digest_size=8).hexdigest(), hashlib.pbkdf2_hmac("sha256", b"pw", b"salt", 1000).hex()[:16])
print(hmac.new(b"key", data, "sha256").hexdigest()[:16], hmac.compare_digest(b"a", b"a"))
print(base64.b64encode(data).decode(), base64.urlsafe_b64encode(b"\xff\xfe\xfd").decode())
print(base64.b32encode(b"hi").decode(), base64.b85encode(b"hello").decode(), base64.b64decode("aGVsbG8=").decode())
print(binascii.hexlify(b"\x00\xff"), zlib.crc32(data), zlib.adler32(data))
print(zlib.decompress(zlib.compress(data * 100)) == data * 100)
