#! class: memory
#! attack: a few kilobytes that unpack to a gigabyte
#! validator: accepts
#! timeout: 20
#! expect kind: out_of_memory, exited
#! expect success: false
#! expect stdout-lacks: unpacked
import bz2
import io

packer = bz2.BZ2Compressor()
packed = io.BytesIO()
for _ in range(64):
    packed.write(packer.compress(bytes(1 << 20)))
packed.write(packer.flush())
bomb = packed.getvalue() * 16
print(len(bomb), flush=True)
print("unpacked", len(bz2.decompress(bomb)))
