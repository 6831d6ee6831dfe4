# --help ends with 0
import argparse
import sys

sys.argv += ["--help"]
parser = argparse.ArgumentParser()
sub = parser.add_subparsers(dest="command", required=True)
sub.add_parser("run", help="runs it").add_argument("name")
parser.parse_args()
