import calendar
from datetime import date, timedelta

print(calendar.month(2024, 2), end="")
print([y for y in range(1990, 2030) if calendar.isleap(y)])
print(list(map(int, calendar.monthrange(2023, 2)))[1], calendar.day_name[date(2000, 1, 1).weekday()])


def fridays_13th(year):
    return [date(year, m, 13).isoformat() for m in range(1, 13) if date(year, m, 13).weekday() == 4]


def working_days(start, days, holidays=()):
    day = start
    while days:
        day += timedelta(days=1)
        if day.weekday() < 5 and day not in holidays:
            days -= 1
    return day


print(fridays_13th(2026), working_days(date(2024, 12, 23), 5, {date(2024, 12, 25), date(2024, 12, 26)}))
print(calendar.HTMLCalendar().formatmonth(2024, 1).count("<td"))
