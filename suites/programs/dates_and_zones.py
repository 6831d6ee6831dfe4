# datetime, zoneinfo, calendar, time
import calendar
import time
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

moment = datetime(2024, 3, 31, 1, 30, tzinfo=ZoneInfo("Europe/Berlin"))
print(moment, moment.astimezone(ZoneInfo("Asia/Kathmandu")), moment + timedelta(hours=1), moment.utcoffset())
print(datetime.fromisoformat("2024-02-29T12:00:00+05:30").astimezone(timezone.utc), datetime.strptime("7 Jan 2023", "%d %b %Y").strftime("%A %j %U %x %X %c %Z|"))
print(time.tzname, time.timezone, time.localtime(0).tm_hour, time.strftime("%Y-%m-%d %H:%M:%S %Z", time.localtime(86400)))
print(calendar.month(2024, 2), datetime.now().astimezone().tzinfo)
