"""The program's own documentation.

Usage: main.py
"""
# the module's docstring is used
print(__doc__)
print(len(__doc__.splitlines()))
