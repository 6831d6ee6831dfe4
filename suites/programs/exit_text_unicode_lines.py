# several lines in many scripts
import sys

sys.exit("first line\nzweite Zeile äöü\nтретья строка\n四行目")
