import argparse
import getopt
import shlex

parser = argparse.ArgumentParser(prog="tool", exit_on_error=False)
parser.add_argument("files", nargs="+")
parser.add_argument("-n", "--number", type=int, default=1)
parser.add_argument("--flag", action="store_true")
args = parser.parse_args(["a.txt", "b.txt", "-n", "5", "--flag"])
print(args.files, args.number, args.flag)
print(parser.parse_args(["x"]))
print(getopt.getopt(["-v", "--out=x", "rest"], "v", ["out="]))
print(shlex.split("cp 'a b' c\\ d"), shlex.quote("it's"))
