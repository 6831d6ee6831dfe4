# names of the owner and the home
import getpass
import os
import pathlib
import pwd

path = pathlib.Path("mine.txt")
path.write_text("x")
print(bool(path.owner()), bool(path.group()), bool(getpass.getuser()), pwd.getpwuid(os.getuid()).pw_uid == os.getuid())
print(os.path.expanduser("~"), pathlib.Path.home())
