import re

text = "Contact: ada@example.org, grace.hopper@navy.mil; call +49 30 1234567 on 2024-02-29 or 2023-12-01."
print(re.findall(r"[\w.]+@[\w.]+\.\w+", text))
for match in re.finditer(r"(?P<year>\d{4})-(?P<month>\d\d)-(?P<day>\d\d)", text):
    print(match.groupdict(), match.span())
print(re.sub(r"(\d{4})-(\d\d)-(\d\d)", r"\3.\2.\1", text[-30:]))
print(re.split(r"[;,]\s*", "a, b;c,  d"))
words = re.compile(r"\b(\w)(\w*)\b", re.UNICODE)
print(words.sub(lambda m: m.group(1).upper() + m.group(2), "élan vital, straße"))
print(bool(re.fullmatch(r"(?i)hello(?= world)? world", "HELLO world")), re.escape("a.b*c"))
pattern = re.compile(
    r"""
    ^(?P<level>INFO|WARN|ERROR)\s+   # level
    \[(?P<module>[^\]]+)\]\s+        # module
    (?P<message>.*)$
    """,
    re.VERBOSE | re.MULTILINE,
)
print([m["level"] + ":" + m["module"] for m in pattern.finditer("INFO [a] x\nERROR [b.c] y\nnope")])
