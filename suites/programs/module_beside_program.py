#! input kit/__init__.py: VkVSU0lPTiA9ICIxLjAiCg==
#! input kit/maths.py: IiIiTWF0aHMuIiIiCmltcG9ydCBhdGV4aXQKCmF0ZXhpdC5yZWdpc3RlcihwcmludCwgInRvb2xzLm1hdGhzIGVuZHMiKQoKCmRlZiBkb3VibGUoeCk6CiAgICByZXR1cm4gMiAqIHgKCgpjbGFzcyBLZXB0OgogICAgZGVmIF9fZGVsX18oc2VsZik6CiAgICAgICAgcHJpbnQoImtlcHQgZ29lcyIpCgoKa2VwdCA9IEtlcHQoKQo=
# a package beside the program, with objects of its own at the end
import importlib
import sys

import kit
from kit.maths import double

print(kit.VERSION, double(4), kit.maths.__doc__, kit.__name__)
importlib.reload(kit)
sys.modules["virtual"] = type(sys)("virtual")
import virtual

virtual.open_file = open("virtual.txt", "w")
virtual.open_file.write("held by a made module")
