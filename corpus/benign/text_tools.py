import difflib
import string
import textwrap
import unicodedata

text = "The sandbox runs a program that a language model wrote and answers with everything the program printed."
print(textwrap.fill(text, width=40, initial_indent="* ", subsequent_indent="  "))
print(textwrap.shorten(text, 30, placeholder="..."))
print(textwrap.dedent("    a\n      b\n    c").splitlines())
old, new = ["one", "two", "three"], ["one", "2", "three", "four"]
print("\n".join(difflib.unified_diff(old, new, "old", "new", lineterm="")))
print(round(difflib.SequenceMatcher(None, "kitten", "sitting").ratio(), 4), difflib.get_close_matches("appel", ["ape", "apple", "peach"]))
print(string.capwords("hello big world"), "abc".translate(str.maketrans("abc", "xyz")))
print(f"{'left':<8}|{'mid':^8}|{'right':>8}|{1234567.891:,.2f}|{0.256:.1%}|{42:08.3f}|{255:x}")
value, width = 3.14159, 10
print(f"{value=:.2f} {value!r:>{width}} {'nested ' + str({1: 2}[1])}")
print(unicodedata.name("é"), unicodedata.normalize("NFD", "é").encode(), "ß".upper(), "İ".lower().encode(), "ﬁ".casefold())
