"""Windows: the hour, day, week or month in which a score counts, in the board's time zone.

A window starts and ends at local boundaries, so a day has 23 or 25 hours when the clock changes, and an hour that the
clock shows twice is two windows.
"""

from bisect import bisect_left
from collections.abc import Callable, Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from typing import NamedTuple

from django.conf import settings as django_settings
from django.utils import timezone

#: The names of windows.
ALL = "all"
HOUR, DAY, WEEK, MONTH = "hour", "day", "week", "month"
WINDOWS = (HOUR, DAY, WEEK, MONTH, ALL)
EVER = "ever"
_TICK = timedelta(microseconds=1)
_HOUR = timedelta(hours=1)


class Window(NamedTuple):
    """One window of a board; ``label`` names it in keys. ``start`` counts, ``end`` does not; None for "all".

    ``expires_ms``: when Redis may forget it, in milliseconds since 1970; 0 is never.
    """

    name: str
    label: str = EVER
    start: datetime | None = None
    end: datetime | None = None
    expires_ms: int = 0

    def holds(self, moment: datetime) -> bool:
        """Return whether the aware *moment* lies in this window."""
        return self.start is None or self.end is None or self.start <= moment < self.end


def now() -> datetime:
    """Return this moment, by this machine's clock: calendars are Python's, Redis has none."""
    return datetime.now(UTC)


def window_at(name: str, moment: datetime, tz: tzinfo, keep: int = 1) -> Window:
    """Return the window *name* in which *moment* lies; Redis has it until *keep* more have passed."""
    if name == ALL:
        return Window(ALL)
    window = _window(name, moment, tz)
    last = window
    for _ in range(keep):
        last = _window(name, last[3], tz)
    return Window(*window, int(last[3].timestamp() * 1000))


def previous(window: Window, tz: tzinfo, keep: int = 1) -> Window:
    """Return the window before *window*; "all" is its own."""
    return window_at(window.name, window.start - _TICK, tz, keep) if window.start else window


def following(window: Window, tz: tzinfo, keep: int = 1) -> Window:
    """Return the window after *window*; "all" is its own."""
    return window_at(window.name, window.end, tz, keep) if window.end else window


def kept_at(names: Iterable[str], moment: datetime, tz: tzinfo, keep: int = 1) -> list[Window]:
    """Return every window that Redis may hold at *moment*: of each name the *keep* past ones, this and the next."""
    kept: list[Window] = []
    for name in names:
        line = [window_at(name, moment, tz, keep=0)]
        if name != ALL:
            for _ in range(keep):
                line.insert(0, previous(line[0], tz, keep=0))
            for _ in range(keep + 1):
                line.append(following(line[-1], tz, keep=0))
            ends = [window.expires_ms for window in line[keep:]]
            line = [window._replace(expires_ms=ms) for window, ms in zip(line, ends, strict=False)]
        kept += line
    return kept


def aware(moment: datetime) -> datetime:
    """Return *moment* with a time zone. Raises ValueError when it has none and the site works with time zones.

    TypeError for what is no datetime.
    """
    if not isinstance(moment, datetime):
        raise TypeError(f"{moment!r} is no moment: pass an aware datetime that lies in the window, such as its noon.")
    if timezone.is_aware(moment):
        return moment
    if django_settings.USE_TZ:
        raise ValueError(f"{moment!r} has no time zone, so it is no certain moment: use an aware datetime.")
    return timezone.make_aware(moment, timezone.get_default_timezone())


def _window(name: str, moment: datetime, tz: tzinfo) -> tuple[str, str, datetime, datetime]:
    local = moment.astimezone(tz)
    return (name, *(_hour(local, tz) if name == HOUR else _days(name, local, tz)))


def _days(name: str, local: datetime, tz: tzinfo) -> tuple[str, datetime, datetime]:
    today = local.date()
    if name == DAY:
        label, first, after = today.isoformat(), today, today + timedelta(days=1)
    elif name == WEEK:
        year, week, weekday = today.isocalendar()
        first = today - timedelta(days=weekday - 1)
        label, after = f"{year:04}-W{week:02}", first + timedelta(days=7)
    else:
        first = today.replace(day=1)
        label, after = today.isoformat()[:7], (first + timedelta(days=31)).replace(day=1)
    # In a gap the earlier offset gives the moment of the change, which is when that day begins.
    start, end = (datetime(day.year, day.month, day.day, tzinfo=tz).astimezone(UTC) for day in (first, after))
    return label, start, end


def _hour(local: datetime, tz: tzinfo) -> tuple[str, datetime, datetime]:
    """Return the hour that the clock shows at *local*, cut where the clock changes within it."""
    offset = local.utcoffset()
    into = timedelta(minutes=local.minute, seconds=local.second, microseconds=local.microsecond)
    moment = local.astimezone(UTC)
    start, end = moment - into, moment - into + _HOUR

    def same(at: datetime) -> bool:
        return at.astimezone(tz).utcoffset() == offset

    if not same(start):
        start = _first(same, start, moment)
    if not same(end - _TICK):
        end = _first(lambda at: not same(at), moment, end)
    return local.strftime("%Y-%m-%dT%H%z"), start, end


def _first(condition: Callable[[datetime], bool], after: datetime, until: datetime) -> datetime:
    """Return the first whole second of UTC in that span that meets *condition*, which stays met."""
    after = after.replace(microsecond=0)
    seconds = range(int((until - after).total_seconds()) + 1)
    return after + timedelta(seconds=bisect_left(seconds, True, key=lambda s: condition(after + timedelta(seconds=s))))
