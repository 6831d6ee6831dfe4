# hashlib, hmac, base64, struct, zlib, uuid5
import base64
import binascii
import hashlib
import hmac
import secrets
import struct
import uuid
import zlib

print(hashlib.sha256(b"x").hexdigest()[:16], hashlib.blake2b(b"x", digest_size=8).hexdigest(), hashlib.md5(b"x").hexdigest())
print(hmac.new(b"k", b"m", "sha1").hexdigest(), hashlib.pbkdf2_hmac("sha256", b"p", b"s", 1000).hex()[:16], hashlib.scrypt(b"p", salt=b"s", n=2, r=1, p=1).hex()[:16])
print(base64.b85encode(b"hello"), binascii.crc32(b"x"), struct.unpack(">HhI", struct.pack(">HhI", 1, -2, 3)), zlib.decompress(zlib.compress(b"z" * 100))[:3])
print(uuid.uuid5(uuid.NAMESPACE_DNS, "example.org"), len(secrets.token_hex(8)), sorted(hashlib.algorithms_guaranteed)[:3])
