#! executors: native
#! files: deck.pptx, merged.pdf, page.pdf, report.docx, table.xlsx
import docx
import pandas as pd
import pptx
import pypdf
from reportlab.lib.pagesizes import A4
from reportlab.pdfgen.canvas import Canvas

document = docx.Document()
document.add_heading("Report", 1)
document.add_table(rows=1, cols=2).rows[0].cells[0].text = "ü"
document.save("report.docx")
print([paragraph.text for paragraph in docx.Document("report.docx").paragraphs])

deck = pptx.Presentation()
slide = deck.slides.add_slide(deck.slide_layouts[0])
slide.shapes.title.text = "你好"
deck.save("deck.pptx")
print(pptx.Presentation("deck.pptx").slides[0].shapes.title.text)

canvas = Canvas("page.pdf", pagesize=A4)
canvas.drawString(72, 720, "Hello, PDF")
canvas.save()
writer = pypdf.PdfWriter()
for _ in range(2):
    writer.append("page.pdf")
writer.write("merged.pdf")
print(len(pypdf.PdfReader("merged.pdf").pages), pypdf.PdfReader("page.pdf").pages[0].extract_text().strip())

with pd.ExcelWriter("table.xlsx", engine="xlsxwriter") as book:
    pd.DataFrame({"a": [1, 2]}).to_excel(book, sheet_name="数据", index=False)
    chart = book.book.add_chart({"type": "line"})
    chart.add_series({"values": ["数据", 1, 0, 2, 0]})
    book.sheets["数据"].insert_chart("C2", chart)
print(pd.read_excel("table.xlsx", sheet_name="数据")["a"].sum())
