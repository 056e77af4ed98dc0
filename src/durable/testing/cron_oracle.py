#!/usr/bin/env python3
"""When a schedule comes, by croniter and Python's own time zones: an opinion that owes nothing to our code.

Reads lines of ZONE TAB CRON TAB FROM TAB UNTIL (seconds since 1970) and prints for each the times after FROM and not
after UNTIL, at most TIMES_MAX, separated by blanks.

croniter is asked about a clock that nobody sets. What setting the clock means is said here: by looking at the clock in
every minute where the hour begins with `*`, and else by mapping each time on the clock to its instant.
"""

import datetime
import itertools
import sys
import zoneinfo

import croniter

TIMES_MAX = 40
UTC = datetime.timezone.utc
MINUTE = datetime.timedelta(minutes=1)
DAY = datetime.timedelta(days=1)


def on_the_clock(cron, begin):
    """The times of a clock that is never set, from `begin` on."""
    fields = cron.split()
    if len(fields) == 6:
        fields = fields[1:] + fields[:1]  # croniter has the second last
    times = croniter.croniter(" ".join(fields), begin)
    while True:
        yield times.get_next(datetime.datetime)


def local(moment, zone):
    return moment.astimezone(zone).replace(tzinfo=None, fold=0)


def instant(civil, zone):
    """The first instant at which the clock shows this time or, where it is skipped, the first after the gap."""
    found = civil.replace(tzinfo=zone).astimezone(UTC)
    if local(found, zone) == civil:
        return found
    low = found - 2 * DAY  # before the gap, which is somewhere near
    high = found + 2 * DAY
    while high - low > datetime.timedelta(seconds=1):
        middle = (low + (high - low) / 2).replace(microsecond=0)
        if local(middle, zone) >= civil:
            high = middle
        else:
            low = middle
    return high


def fixed(cron, zone, begin, until):
    last = None
    for civil in on_the_clock(cron, local(begin, zone) - DAY):
        at = instant(civil, zone)
        if at > until:
            return
        if at > begin and at != last:
            last = at
            yield at


def elapsed(cron, zone, begin, until):
    shown = set(itertools.takewhile(lambda civil: civil < local(until, zone) + 2 * DAY,
                                    on_the_clock(cron, local(begin, zone) - DAY)))
    at = begin.replace(second=0, microsecond=0)
    while at <= until:
        if at > begin and local(at, zone) in shown:
            yield at
        at += MINUTE


def main():
    for line in sys.stdin:
        name, cron, begin, until = line.rstrip("\n").split("\t")
        zone = zoneinfo.ZoneInfo(name)
        begin, until = (datetime.datetime.fromtimestamp(int(seconds), UTC) for seconds in (begin, until))
        hour = cron.split()[-4]
        times = (elapsed if hour.startswith("*") else fixed)(cron, zone, begin, until)
        try:
            print(*[int(at.timestamp()) for at in itertools.islice(times, TIMES_MAX)], flush=True)
        except croniter.CroniterBadDateError:
            print("?", flush=True)


if __name__ == "__main__":
    main()
