from datetime import date, datetime, timedelta, timezone
from zoneinfo import ZoneInfo

moment = datetime(2024, 3, 31, 0, 30, tzinfo=timezone.utc)
for name in ("Europe/Berlin", "America/New_York", "Asia/Kolkata", "Pacific/Auckland"):
    local = moment.astimezone(ZoneInfo(name))
    print(f"{name:<18}{local:%Y-%m-%d %H:%M} {local.utcoffset()} {local.tzname()}")
before = datetime(2024, 3, 31, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
after = (before.astimezone(timezone.utc) + timedelta(hours=1)).astimezone(ZoneInfo("Europe/Berlin"))
print("over the summer-time gap:", after.isoformat())
print(datetime.strptime("29 Feb 2024 13:05", "%d %b %Y %H:%M").isoformat())
print((date(2024, 12, 25) - date(2024, 2, 29)).days, date(2024, 12, 30).isocalendar()[:2])
print(datetime.fromisoformat("2024-06-01T12:00:00+02:00").astimezone(timezone.utc))
print(timedelta(days=1, seconds=3661), timedelta(hours=36) / timedelta(days=1))
print(datetime.fromtimestamp(0, timezone.utc).strftime("%A %j"))
