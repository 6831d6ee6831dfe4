import xml.dom.minidom
import xml.etree.ElementTree as ET
from html import escape, unescape
from html.parser import HTMLParser

root = ET.fromstring('<shop><item id="1" price="2.50">tea</item><item id="2" price="3.75">coffee</item></shop>')
print([(i.get("id"), i.text, float(i.get("price"))) for i in root.findall("item")])
ET.SubElement(root, "item", id="3", price="1").text = "water & ice"
print(ET.tostring(root, encoding="unicode"))
print(root.find("item[@id='2']").text, len(root))
print(xml.dom.minidom.parseString("<a><b/></a>").toprettyxml(indent=" ").splitlines()[1:])


class Links(HTMLParser):
    def __init__(self):
        super().__init__()
        self.links, self.text = [], []

    def handle_starttag(self, tag, attrs):
        if tag == "a":
            self.links.append(dict(attrs).get("href"))

    def handle_data(self, data):
        if data.strip():
            self.text.append(data.strip())


parser = Links()
parser.feed('<h1>Title</h1><p>See <a href="/one">one</a> and <a href="/two?x=1&amp;y=2">two</a></p>')
print(parser.links, parser.text)
print(escape('<a href="x">'), unescape("&lt;&eacute;&#8364;"))
