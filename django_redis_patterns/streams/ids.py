"""Ids of entries: the millisecond in which Redis took an entry in, and its number within that."""

import re
from datetime import UTC, datetime, timedelta
from typing import TypeAlias

from django.utils import timezone

from django_redis_patterns.core.operations import IO

#: A place in a log: an id, a moment, or how long ago by the clock of Redis.
Moment: TypeAlias = str | datetime | timedelta

FIRST, LAST = "-", "+"
MOST = 2**64 - 1
_ID = re.compile(r"[0-9]{1,20}(-[0-9]{1,20})?\Z", re.ASCII)


def order(id: str) -> tuple[int, int]:
    """Return what ids are ordered by."""
    milliseconds, _, number = id.partition("-")
    return int(milliseconds), int(number or 0)


def before(id: str) -> str:
    """Return the last id that is smaller."""
    milliseconds, number = order(id)
    if number:
        return f"{milliseconds}-{number - 1}"
    return f"{milliseconds - 1}-{MOST}" if milliseconds else "0-0"


def time_of(id: str) -> datetime:
    """Return when Redis took the entry in, by its own clock."""
    return datetime.fromtimestamp(order(id)[0] / 1000, UTC)


async def place(io: IO, moment: Moment) -> str:
    """Return the id at which *moment* begins. What is relative takes a trip, to ask Redis for the time.

    Raises ValueError for text that is no id.
    """
    if isinstance(moment, timedelta):
        seconds, micros = await io.redis.time()
        now = datetime.fromtimestamp(int(seconds), UTC) + timedelta(microseconds=int(micros))
        return _milliseconds(now - moment)
    if isinstance(moment, datetime):
        return _milliseconds(moment if timezone.is_aware(moment) else timezone.make_aware(moment))
    if not _ID.match(str(moment)):
        raise ValueError(f"A place in a log is an id such as '1700000000000-0', a datetime or a timedelta: {moment!r}.")
    return moment


def _milliseconds(moment: datetime) -> str:
    return str(max((moment - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(milliseconds=1), 0))
