#! files: report.json, report.md
import json
from collections import defaultdict
from pathlib import Path

events = [
    ("2024-05-01", "login", 3), ("2024-05-01", "error", 1), ("2024-05-02", "login", 5),
    ("2024-05-02", "error", 0), ("2024-05-03", "login", 2),
]
report = defaultdict(dict)
for day, kind, count in events:
    report[day][kind] = count
summary = {
    "days": len(report),
    "logins": sum(day.get("login", 0) for day in report.values()),
    "worst": max(report, key=lambda day: report[day].get("error", 0)),
    "detail": report,
}
Path("report.json").write_text(json.dumps(summary, indent=2))
rows = ["| day | login | error |", "|---|---|---|"]
rows += [f"| {day} | {v.get('login', '-')} | {v.get('error', '-')} |" for day, v in report.items()]
Path("report.md").write_text("\n".join(rows) + "\n")
print(json.dumps(summary, indent=2))
print(Path("report.md").read_text(), end="")
