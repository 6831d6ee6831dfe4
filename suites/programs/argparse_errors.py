# argparse: defaults, help and an error with its exit code
import argparse

parser = argparse.ArgumentParser(description="Counts words.")
parser.add_argument("file", nargs="?", default="-")
parser.add_argument("--top", type=int, default=3, help="how many (default: %(default)s)")
parser.add_argument("-v", "--verbose", action="store_true")
print(parser.parse_args([]))
print(parser.format_help())
parser.parse_args(["--top", "many"])
