#! files: invoices.xlsx
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal

from openpyxl import Workbook


@dataclass(frozen=True)
class Line:
    invoice: int
    customer: str
    issued: date
    net: Decimal

    @property
    def gross(self) -> Decimal:
        return (self.net * Decimal("1.19")).quantize(Decimal("0.01"))


lines = [
    Line(1001, "Acme GmbH", date(2024, 3, 1), Decimal("199.99")),
    Line(1002, "Müller & Söhne", date(2024, 3, 4), Decimal("1250.00")),
    Line(1003, "Acme GmbH", date(2024, 3, 9), Decimal("49.50")),
]
book = Workbook()
detail = book.active
detail.title = "Invoices"
detail.append(["No", "Customer", "Issued", "Due", "Net", "Gross"])
totals: dict[str, Decimal] = {}
for line in lines:
    detail.append([line.invoice, line.customer, line.issued, line.issued + timedelta(days=30), line.net, line.gross])
    totals[line.customer] = totals.get(line.customer, Decimal(0)) + line.gross
summary = book.create_sheet("Summary")
summary.append(["Customer", "Gross"])
for customer, gross in sorted(totals.items()):
    summary.append([customer, gross])
    print(f"{customer:<16}{gross:>10}")
book.save("invoices.xlsx")
print(book.sheetnames, detail.max_row, summary.max_row)
