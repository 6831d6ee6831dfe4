# regular expressions, textwrap, difflib, string templates
import collections
import difflib
import re
import string
import textwrap

text = "The quick brown fox jumps over the lazy dog; the dog sleeps. " * 5
print(collections.Counter(re.findall(r"\b\w+\b", text.lower())).most_common(3))
print(textwrap.fill(textwrap.shorten(text, 120), 40))
print("\n".join(difflib.unified_diff("a b c".split(), "a x c".split(), lineterm="")))
print(string.Template("$who costs $$${price}").substitute(who="tea", price=3))
print(re.sub(r"(?P<a>\w+) (?P<b>\w+)", r"\g<b> \g<a>", "hello world"), re.split(r"[;,]\s*", "a, b;c"))
