"""Fire times for oracle_apscheduler_test.go, from Debian's python3-apscheduler.

Reads one request a line, {"fields": {name: text}, "zone": name, "from": unix, "n": 5}, and answers each with one line: null when the fields are
refused, else {"next": [unix...], "echo": {name: text}}, fewer fires if none comes within fifty years.
"""

import datetime
import json
import sys

import pytz
from apscheduler.triggers.cron import CronTrigger

for line in sys.stdin:
    request = json.loads(line)
    zone = pytz.timezone(request["zone"])
    now = datetime.datetime.fromtimestamp(request["from"], zone)
    try:
        trigger = CronTrigger(timezone=zone, end_date=now + datetime.timedelta(days=50 * 365), **request["fields"])
    except ValueError:
        print("null", flush=True)
        continue
    fires, at = [], None
    while len(fires) < request["n"]:
        at = trigger.get_next_fire_time(at, at or now)
        if at is None or at >= trigger.end_date:
            break
        fires.append(int(at.timestamp()))
    print(json.dumps({"next": fires, "echo": {f.name: str(f) for f in trigger.fields}}), flush=True)
