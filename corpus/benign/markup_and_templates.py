import jinja2
import lxml.html
import orjson
import pandas as pd
import pytz
import yaml
from bs4 import BeautifulSoup
from tabulate import tabulate

soup = BeautifulSoup("<ul><li class=a>eins</li><li>zwei<b>!</b></li></ul>", "lxml")
print([item.get_text() for item in soup.select("li")], lxml.html.fromstring("<p>a<i>b</i></p>").text_content())
print(jinja2.Template("{% for n in items %}{{ n|upper }} {% endfor %}").render(items=["a", "b"]).strip())
print(yaml.safe_dump({"b": [1, 2], "a": {"c": None}}), orjson.dumps({"ü": 1.5}).decode())
print(tabulate([["a", 1], ["b", 22]], headers=["k", "n"], tablefmt="github"))
print(pd.DataFrame({"k": ["x"], "n": [1]}).to_markdown(index=False))
print(pytz.timezone("Asia/Kolkata").localize(pd.Timestamp("2024-01-01").to_pydatetime()).isoformat())
