# a workbook with formulas, styles and a chart
from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Font

book = Workbook()
sheet = book.active
sheet.title = "Data"
for row in [["name", "value"], ["a", 3], ["b", 5]]:
    sheet.append(row)
sheet["A1"].font = Font(bold=True)
sheet["B4"] = "=SUM(B2:B3)"
chart = BarChart()
chart.add_data(Reference(sheet, min_col=2, min_row=1, max_row=3), titles_from_data=True)
sheet.add_chart(chart, "D2")
book.save("book.xlsx")
print([[cell.value for cell in row] for row in load_workbook("book.xlsx")["Data"].iter_rows()])
