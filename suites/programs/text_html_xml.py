# html.parser, xml.etree, minidom and escapes
import html
import xml.dom.minidom
import xml.etree.ElementTree as ET
from html.parser import HTMLParser
from urllib.parse import parse_qs, quote, urlencode, urljoin, urlsplit

class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links = []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

parser = Links()
parser.feed('<p>see <a href="/x?a=1&amp;b=2">x</a> <a href="y.html">y</a>')
print(parser.links, html.unescape("&lt;&eacute;&gt;"))
root = ET.Element("items", version="1")
for name in ("a", "b"):
    ET.SubElement(root, "item", name=name).text = name.upper()
ET.indent(root)
ET.ElementTree(root).write("items.xml", encoding="utf-8", xml_declaration=True)
print(xml.dom.minidom.parse("items.xml").getElementsByTagName("item")[1].getAttribute("name"))
print(urljoin("https://e.org/a/b", "../c"), parse_qs("a=1&a=2"), urlencode({"q": "ä b"}), quote("a/ü"), urlsplit("http://u@h:8/p?q#f").port)
