#! files: styled.xlsx
from openpyxl import Workbook, load_workbook
from openpyxl.chart import BarChart, Reference
from openpyxl.styles import Alignment, Border, Font, PatternFill, Side
from openpyxl.utils import get_column_letter

book = Workbook()
sheet = book.active
sheet.title = "Budget"
sheet.append(["Item", "Planned", "Actual", "Difference"])
for row in [("Rent", 900, 900), ("Food", 350, 412.5), ("Travel", 120, 80)]:
    sheet.append([*row, f"=C{sheet.max_row + 1}-B{sheet.max_row + 1}"])
sheet.append(["Total", "=SUM(B2:B4)", "=SUM(C2:C4)", "=SUM(D2:D4)"])
for cell in sheet[1]:
    cell.font = Font(bold=True, color="FFFFFF")
    cell.fill = PatternFill("solid", fgColor="336699")
    cell.alignment = Alignment(horizontal="center")
    cell.border = Border(bottom=Side(style="thin"))
for column in range(1, 5):
    sheet.column_dimensions[get_column_letter(column)].width = 14
sheet.freeze_panes = "A2"
chart = BarChart()
chart.title = "Planned and actual"
chart.add_data(Reference(sheet, min_col=2, max_col=3, min_row=1, max_row=4), titles_from_data=True)
chart.set_categories(Reference(sheet, min_col=1, min_row=2, max_row=4))
sheet.add_chart(chart, "F2")
book.save("styled.xlsx")

again = load_workbook("styled.xlsx")["Budget"]
for row in again.iter_rows(values_only=True):
    print(row)
print(again["A1"].font.b, again["A1"].fill.fgColor.rgb, again.freeze_panes)
