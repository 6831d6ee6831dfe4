# json and csv with their awkward corners
import csv
import datetime
import decimal
import io
import json

class Encoder(json.JSONEncoder):
    def default(self, value):
        return value.isoformat() if isinstance(value, datetime.date) else str(value)

data = {"date": datetime.date(2024, 2, 29), "amount": decimal.Decimal("1.10"), "text": "ä\n\"", "nan": float("nan"), 1: None}
print(json.dumps(data, cls=Encoder, ensure_ascii=False, indent=1))
try:
    json.loads('{"a": 1,}')
except json.JSONDecodeError as error:
    print(error)
file = io.StringIO()
csv.writer(file, delimiter=";", quoting=csv.QUOTE_NONNUMERIC).writerows([["a;b", 1.5], ['q"', "line\nbreak"]])
print(repr(file.getvalue()), list(csv.reader(io.StringIO(file.getvalue()), delimiter=";")))
print(csv.Sniffer().sniff("a|b|c\n1|2|3\n").delimiter)
