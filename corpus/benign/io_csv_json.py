#! files: data/people.csv, data/people.json
import csv
import io
import json
from pathlib import Path

Path("data").mkdir()
people = [
    {"name": "Ada", "born": 1815, "quote": 'He said "hi", then left'},
    {"name": "Ümit", "born": 1977, "quote": "line one\nline two"},
]
with open("data/people.csv", "w", newline="", encoding="utf-8") as handle:
    writer = csv.DictWriter(handle, fieldnames=["name", "born", "quote"])
    writer.writeheader()
    writer.writerows(people)
with open("data/people.csv", newline="", encoding="utf-8") as handle:
    rows = list(csv.DictReader(handle))
print(rows[1]["quote"].splitlines(), rows[0]["quote"])
Path("data/people.json").write_text(json.dumps(people, indent=2, ensure_ascii=False), encoding="utf-8")
print(json.loads(Path("data/people.json").read_text(encoding="utf-8")) == people)
print(json.dumps({"b": [1, 2.5, None, True], "a": "ü"}, sort_keys=True))
try:
    json.loads('{"a": }')
except json.JSONDecodeError as error:
    print("bad json at", error.lineno, error.colno)
print(list(csv.reader(io.StringIO("a;'b;c';d\n"), delimiter=";", quotechar="'")))
stream = io.StringIO()
print("into a string", file=stream)
print(repr(stream.getvalue()), io.BytesIO(b"abc").read(2))
