"""Fire times for oracle_debian_test.go, from Debian's python3-croniter and Python's own time zones.

Reads one request a line, {"fields": [second,] minute ... day of week, "starts": [[zone, unix], ...], "n": 5}, and answers each with one
line, for each start the next n fires as Unix times; fewer if none comes within fifty years.

croniter answers for wall times only. Given a zone it is wrong around changes of the clock (1.3.5: "30 5 * * *" in Berlin fires at
06:30 on the day summer time ends), so what docs/semantics.md says about them is written down here a second time, on top of zoneinfo.
"""

import calendar
import datetime
import json
import re
import sys
import zoneinfo

from croniter import croniter
from croniter.croniter import CroniterBadDateError

UTC = datetime.timezone.utc
DAY = 24 * 3600
YEARS = 50  # croniter's own limit
NEVER = 1 << 60
WEEKDAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]


class Croniter:
    def __init__(self, minute, hour, day, month, weekday, *second):
        self.it = croniter(" ".join([minute, hour, day, month, weekday, *second]), 0.0, day_or=False)

    def after(self, wall):
        try:
            return int(self.it.get_next(float, start_time=float(wall)))
        except CroniterBadDateError:
            return NEVER


class AnyOf:
    def __init__(self, *parts):
        self.parts = parts

    def after(self, wall):
        return min(part.after(wall) for part in self.parts)


class ByDay:
    """What croniter has no words for: L-3, 15W, LW, and lists that mix these or 5L and 5#2 with plain values. It still knows the times
    of the day; the days are asked of Python's calendar, one after the other."""

    def __init__(self, minute, hour, day, month, weekday, *second):
        self.times = Croniter(minute, hour, "*", "*", "*", *second)
        months = croniter(f"0 0 * {month} *").expanded[3]
        self.months = range(1, 13) if "*" in months else months
        weekday = re.sub("[A-Z][a-z][a-z]", lambda name: str(WEEKDAYS.index(name[0].lower())), weekday.title())
        self.day, self.weekday = day.split(","), weekday.split(",")
        self.both = day[0] == "*" or weekday[0] == "*"
        self.plain_days, self.plain_weekdays = plain(self.day, 1, 31), plain(self.weekday, 0, 7)

    def after(self, wall):
        day = datetime.datetime.fromtimestamp(wall, UTC).date()
        last = datetime.date(day.year + YEARS, 12, 31)
        at = wall
        while day <= last:
            if self.matches(day):
                midnight = (day.toordinal() - 719163) * DAY
                found = self.times.after(max(at, midnight - 1))
                if found < midnight + DAY:
                    return found
            day += datetime.timedelta(days=1)
        return NEVER

    def matches(self, date):
        if date.month not in self.months:
            return False
        length = calendar.monthrange(date.year, date.month)[1]
        by_day = date.day in self.plain_days or any(special_day(item, date, length) for item in self.day)
        number = date.isoweekday() % 7
        by_weekday = (
            number in self.plain_weekdays
            or number == 0 and 7 in self.plain_weekdays
            or any(special_weekday(item, date, length) for item in self.weekday)
        )
        return by_day and by_weekday if self.both else by_day or by_weekday


def plain(items, low, high):
    values = set()
    for item in items:
        m = re.fullmatch(r"(\*|(\d+)(?:-(\d+))?)(/(\d+))?", item)
        if m:
            start = int(m[2] or low)
            end = high if m[1] == "*" else int(m[3]) if m[3] else high if m[4] else start
            values.update(range(start, end + 1, int(m[5] or 1)))
    return values


def special_day(item, date, length):
    if m := re.fullmatch(r"L(?:-(\d+))?", item):
        return date.day == length - int(m[1] or 0)
    if item == "LW":
        # The last of the first four days from the end that is a workday, for a weekend has two.
        return date.day == max(d for d in range(length - 3, length + 1) if date.replace(day=d).isoweekday() < 6)
    if m := re.fullmatch(r"(\d+)W", item):
        wanted = int(m[1])
        workdays = [d for d in range(1, length + 1) if date.replace(day=d).isoweekday() < 6]
        # No day is as near as another: a Saturday's Friday is one away and its Monday two.
        return wanted <= length and date.day == min(workdays, key=lambda d: abs(d - wanted))
    return False


def special_weekday(item, date, length):
    if m := re.fullmatch(r"L(\d)", item):
        return date.isoweekday() % 7 == int(m[1]) and date.day + 7 > length
    if m := re.fullmatch(r"(\d)#(\d)", item):
        weeks = calendar.Calendar(firstweekday=6).monthdayscalendar(date.year, date.month)
        days = [week[int(m[1])] for week in weeks if week[int(m[1])]]
        return len(days) >= int(m[2]) and days[int(m[2]) - 1] == date.day
    return False


def walls(fields):
    """What to ask for wall times."""
    *second, minute, hour, day, month, weekday = fields
    numbered = [re.search("[L#]", item) is not None for item in weekday.split(",")]
    if "W" in day or "L" in day and day != "L" or any(numbered) and not all(numbered):
        return ByDay(minute, hour, day, month, weekday, *second)
    def croniters(day, weekday):
        return [Croniter(minute, hour, one, month, weekday, *second) for one in apart(day)]

    if day[0] != "*" and weekday[0] != "*":
        # croniter has the union too, but goes by the values: 1-31 is no restriction and */2 is one. Vixie goes by the star.
        return AnyOf(*croniters(day, "*"), *croniters("*", weekday))
    return AnyOf(*croniters(day, weekday))


def apart(day):
    """Days from 29 on by themselves: in a list, croniter steps from February to the 31st and so past the 1st of March."""
    days = croniter(f"0 0 {day} * *").expanded[2]
    if "*" in days or "l" in days or days[-1] < 29:
        return [day]
    common = ",".join(str(d) for d in days if d < 29)
    return [str(d) for d in days if d >= 29] + ([common] if common else [])


class Zone:
    def __init__(self, name):
        self.info = zoneinfo.ZoneInfo(name)
        self.changes = {}

    def offset(self, unix):
        return int(datetime.datetime.fromtimestamp(unix, self.info).utcoffset().total_seconds())

    def in_year(self, year):
        """The first instants with another offset than the second before."""
        if year not in self.changes:
            found = []
            start = int(datetime.datetime(year, 1, 1, tzinfo=UTC).timestamp())
            end = int(datetime.datetime(year + 1, 1, 1, tzinfo=UTC).timestamp())
            for low in range(start, end, 5 * DAY):
                low, high = low - 1, min(low + 5 * DAY, end) - 1
                if self.offset(low) != self.offset(high):
                    while high - low > 1:
                        middle = (low + high) // 2
                        if self.offset(middle) == self.offset(low):
                            low = middle
                        else:
                            high = middle
                    found.append(high)
            self.changes[year] = found
        return self.changes[year]

    def change_after(self, unix):
        year = datetime.datetime.fromtimestamp(unix, UTC).year
        for y in range(year, year + YEARS):
            for change in self.in_year(y):
                if change > unix:
                    return change
        return NEVER

    def change_before(self, unix):
        """The latest change up to this instant and not long before it."""
        year = datetime.datetime.fromtimestamp(unix, UTC).year
        return max([c for y in (year - 1, year) for c in self.in_year(y) if c <= unix], default=-NEVER)


def real_time(schedule, zone, unix, n):
    """Every instant at which the clock shows a matching time."""
    fires = []
    first, limit = unix + 1, unix + YEARS * 366 * DAY
    since, wall = NEVER, -NEVER
    while len(fires) < n and first < limit:
        offset, change = zone.offset(first), zone.change_after(first)
        begin = first + offset - 1
        if not since <= begin < wall:
            since, wall = begin, schedule.after(begin)
        if wall == NEVER:
            break
        while wall - offset < change and len(fires) < n:
            fires.append(wall - offset)
            since, wall = wall, schedule.after(wall)
        first = change
    return fires


def by_wall_time(schedule, zone, unix, n):
    """Once for each wall time: at its first occurrence, or where the gap ends that swallows it."""
    wall = unix + zone.offset(unix)
    change = zone.change_before(unix)
    # What the clock showed before it was set back has had its turn.
    wall = max(wall, change - 1 + zone.offset(change - 1)) if change > -NEVER else wall
    fires = []
    while len(fires) < n:
        wall = schedule.after(wall)
        if wall == NEVER:
            break
        shown = datetime.datetime.fromtimestamp(wall, UTC).replace(tzinfo=zone.info, fold=0)
        at = int(shown.timestamp())
        if at + zone.offset(at) != wall:
            at = zone.change_before(at)
            # The rest of the gap is the same fire.
            wall = at + zone.offset(at) - 1
        if not fires or fires[-1] != at:
            fires.append(at)
    return fires


def main():
    zones = {}
    for line in sys.stdin:
        request = json.loads(line)
        fields = request["fields"]
        schedule = walls(fields)
        rule = real_time if "*" in (fields[-5][0], fields[-4][0]) else by_wall_time
        answer = []
        for name, unix in request["starts"]:
            if name not in zones:
                zones[name] = Zone(name)
            answer.append(rule(schedule, zones[name], unix, request["n"]))
        print(json.dumps(answer), flush=True)


main()
